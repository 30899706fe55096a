package leasefile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// osFS is the file system of the operating system.
type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Link(from, to string) error { return os.Link(from, to) }
func (osFS) Remove(name string) error   { return os.Remove(name) }

// Rename lets the file keep the owner and the mode that were seen under its new name, as far as the process may: the
// next to read it may be an ISC dhcpd that runs as somebody else.
func (osFS) Rename(from, to string) error {
	if info, err := os.Stat(to); err == nil {
		own(from, info)
	}
	return os.Rename(from, to)
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// Lock locks a file of its own, name.lock, because the file called name is replaced at each compaction.
func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return f, nil
}

// osFile is an *os.File whose Sync is the cheaper one that serves a log: fdatasync where there is one.
type osFile struct{ *os.File }

func (f osFile) Sync() error { return datasync(f.File) }

// realPath follows symbolic links, so that a compaction replaces the file and not the link to it.
func realPath(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}

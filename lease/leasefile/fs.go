package leasefile

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked says that another process, or another Store of this one, has the file open.
var ErrLocked = errors.New("leasefile: in use by another process")

// FS is what a Store needs of a file system. The zero Config uses the operating system's; tests put one underneath
// that fails on purpose. Names are paths as given to Open, some with a suffix. Errors about names that exist, or do
// not, answer to errors.Is with fs.ErrExist and fs.ErrNotExist.
type FS interface {
	// OpenFile opens a file for reading and writing. flag is zero or a union of os.O_CREATE, os.O_EXCL and os.O_TRUNC;
	// perm is for a file it creates.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Link gives the file another name, which must not exist.
	Link(from, to string) error
	// Rename gives the file another name and takes that name from the file that had it, in one step.
	Rename(from, to string) error
	// Remove takes a name away.
	Remove(name string) error
	// SyncDir returns when the names in the directory that holds name are durable as they are now.
	SyncDir(name string) error
	// Lock takes the lock that belongs to name and never waits: it fails with ErrLocked if somebody has it. Close
	// releases the lock, and so does the end of the process.
	Lock(name string) (io.Closer, error)
}

// File is an open file of an FS. It may have a method
//
//	Forgotten() bool
//
// which reports that the file has no name any more and nobody else has it open. A large one is then freed in pieces before
// it is closed, where that makes syncs of other files wait less.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	// Sync returns when what was written and the size are durable (fdatasync).
	Sync() error
}

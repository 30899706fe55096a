package leasetest

import (
	"cmp"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"
)

// node is a file, whatever its names are.
type node struct {
	cache   []byte
	durable []byte
	pending []edit
	mode    fs.FileMode
}

// edit is a write, or with nil data a truncation, that is not durable.
type edit struct {
	at   int64
	data []byte
}

// edit changes the cache, and remembers the change until it is durable.
func (n *node) edit(e edit) {
	n.cache = e.apply(n.cache)
	n.pending = append(n.pending, e)
}

func (e edit) apply(b []byte) []byte {
	if e.data == nil {
		return resize(b, int(e.at))
	}
	if end := int(e.at) + len(e.data); end > len(b) {
		b = resize(b, end)
	}
	copy(b[e.at:], e.data)
	return b
}

// resize cuts b, or lengthens it with zeros.
func resize(b []byte, size int) []byte {
	if size <= len(b) {
		return b[:size]
	}
	return append(b, make([]byte, size-len(b))...)
}

// scatter makes a random part of what is pending durable.
func (n *node) scatter(r *rand.Rand) {
	for _, e := range n.pending {
		if e.data == nil {
			if r.IntN(2) == 0 {
				n.durable = e.apply(n.durable)
			}
			continue
		}
		for at := 0; at < len(e.data); {
			size := min(sector-(int(e.at)+at)%sector, len(e.data)-at)
			piece := edit{e.at + int64(at), e.data[at : at+size]}
			switch r.IntN(8) {
			case 0, 1, 2, 3:
				n.durable = piece.apply(n.durable)
			case 4: // torn
				piece.data = piece.data[:r.IntN(size+1)]
				n.durable = piece.apply(n.durable)
			case 5: // the size was durable, what was written was not
				if end := int(piece.at) + size; end > len(n.durable) {
					n.durable = resize(n.durable, end)
				}
			}
			at += size
		}
	}
	n.pending = nil
}

func (n *node) restart(r *rand.Rand) {
	n.scatter(r)
	n.cache = slices.Clone(n.durable)
}

// DiskFile is an open file of a Disk.
type DiskFile struct {
	disk *Disk
	node *node
	name string
	boot int
}

// ReadAt implements io.ReaderAt.
func (f *DiskFile) ReadAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.begin(OpRead, f.name, f.boot); err != nil {
		return 0, err
	}
	if at >= int64(len(f.node.cache)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.cache[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt. It writes as much as there is room for.
func (f *DiskFile) WriteAt(b []byte, at int64) (int, error) {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	last, err := d.begin(OpWrite, f.name, f.boot)
	if d.gone(err) {
		return 0, err
	}
	n := len(b)
	if err = cmp.Or(last, err); err != nil {
		n = d.rand.IntN(n + 1)
	}
	if free := d.free(f.node, at); n > free {
		n, err = free, cmp.Or[error](err, syscall.ENOSPC)
	}
	if n > 0 {
		f.node.edit(edit{at, slices.Clone(b[:n])})
	}
	return n, err
}

// free is how many octets can be written to a file from an offset on.
func (d *Disk) free(n *node, at int64) int {
	if d.room < 0 {
		return math.MaxInt
	}
	free := d.room + int64(len(n.cache)) - at
	for _, n := range d.nodes() {
		free -= int64(len(n.cache))
	}
	return int(max(free, 0))
}

// Truncate changes the size.
func (f *DiskFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	last, err := f.disk.begin(OpTruncate, f.name, f.boot)
	if err != nil {
		return err
	}
	f.node.edit(edit{size, nil})
	return last
}

// Sync makes durable what was written.
func (f *DiskFile) Sync() error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	last, err := d.begin(OpSync, f.name, f.boot)
	switch {
	case last != nil:
		return last
	case d.gone(err):
		return err
	case err != nil:
		f.node.scatter(d.rand)
		if d.rand.IntN(2) == 0 {
			// The pages were dropped from the cache, and come back as the disk has them.
			f.node.cache = slices.Clone(f.node.durable)
		}
		return err
	}
	for _, e := range f.node.pending {
		f.node.durable = e.apply(f.node.durable)
	}
	f.node.pending = nil
	return nil
}

// Forgotten reports whether the file has no name, as it is in the cache. A loss of power can give it one again, until
// SyncDir has made that durable.
func (f *DiskFile) Forgotten() bool {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.dead != nil || f.boot != f.disk.boot {
		return false
	}
	for _, n := range f.disk.names {
		if n == f.node {
			return false
		}
	}
	return true
}

// Close closes the file. It makes nothing durable.
func (f *DiskFile) Close() error { return nil }

// Stat tells the size and the mode.
func (f *DiskFile) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.begin(OpRead, f.name, f.boot); err != nil {
		return nil, err
	}
	return diskInfo{f.name, int64(len(f.node.cache)), f.node.mode}, nil
}

type diskInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i diskInfo) Name() string       { return i.name[strings.LastIndexByte(i.name, '/')+1:] }
func (i diskInfo) Size() int64        { return i.size }
func (i diskInfo) Mode() fs.FileMode  { return i.mode }
func (i diskInfo) ModTime() time.Time { return time.Time{} }
func (i diskInfo) IsDir() bool        { return false }
func (i diskInfo) Sys() any           { return nil }

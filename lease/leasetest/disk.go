package leasetest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
)

// Errors of a Disk.
var (
	// ErrPower is what every operation returns from the loss of power on, until Restart.
	ErrPower = errors.New("leasetest: no power")
	// ErrKilled is what every operation returns after Kill, until Respawn.
	ErrKilled = errors.New("leasetest: killed")
	// ErrBusy is what Lock returns if the lock is taken.
	ErrBusy = errors.New("leasetest: locked")
)

// Op is an operation of a Disk.
type Op string

// The operations, as Disk.Fault sees them.
const (
	OpOpen     Op = "open"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpLink     Op = "link"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpSyncDir  Op = "syncdir"
	OpLock     Op = "lock"
)

// sector is the most that a loss of power leaves in one piece, octets. Pieces are torn as well.
const sector = 512

// Disk is a directory of files on a disk that fails on purpose. Its methods may be called from several goroutines; what
// goes wrong depends on the seed and on the order of the calls.
//
// What was written is in the cache, where reads see it. Sync makes the content of one file durable and SyncDir the
// names. At a loss of power each piece of what was not made durable survives, or not, or in part, whatever became of
// the pieces written before it.
type Disk struct {
	// Fault is asked before each operation on a file (its name as it was opened) whether it fails, and how. A write
	// that fails has written a part all the same. A sync that fails has made a part durable and counts the rest as
	// clean, so that a later sync does not write it: as Linux does. It is called with the Disk's lock held and must not
	// call the Disk. Set it before the Disk is used, or with SetFault.
	Fault func(op Op, name string) error

	mu      sync.Mutex
	rand    *rand.Rand
	names   map[string]*node
	durable map[string]*node // names as a loss of power leaves them at the least
	pending []naming         // what was done to names since the last SyncDir
	locked  map[string]bool
	boot    int // counts processes: the files of those before are dead
	dead    error
	room    int64 // octets; below 0 is no limit
	ops     int   // that change something
	powerAt int   // the op at which power is lost; 0 is never
	killAt  int   // the op at which the process ends; 0 is never
}

// naming gives a name to a file, or with nil takes it away; the two of a Rename survive together.
type naming []struct {
	name string
	node *node
}

// NewDisk returns an empty Disk without limits.
func NewDisk(seed uint64) *Disk {
	return &Disk{
		rand: rand.New(rand.NewPCG(seed, 0)), names: map[string]*node{}, durable: map[string]*node{},
		locked: map[string]bool{}, room: -1,
	}
}

// SetFault sets Fault while the Disk is in use.
func (d *Disk) SetFault(f func(op Op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Fault = f
}

// SetRoom says how many octets all files together may have; below 0 is no limit.
func (d *Disk) SetRoom(octets int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = octets
}

// LosePower lets the power go at the n-th change from now on (a write, a sync, a renaming and so on): that one is done
// in part, and all operations fail with ErrPower from then on. With n of 0 the power goes at once.
func (d *Disk) LosePower(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == 0 {
		d.dead = ErrPower
	}
	d.powerAt = d.ops + n
}

// Restart loses the power if it is not lost yet, decides what has survived, and brings the power back. Files that were
// open are dead, locks are released, Fault is nil and the room without limit.
func (d *Disk) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.nodes() {
		n.restart(d.rand)
	}
	for _, change := range d.pending {
		if d.rand.IntN(2) == 0 {
			change.apply(d.durable)
		}
	}
	d.names, d.pending, d.dead = maps.Clone(d.durable), nil, nil
	d.begun()
}

// Kill ends the process that uses the Disk, while the power stays, after the n-th change from now on, or at once with n
// of 0: all operations fail with ErrKilled until Respawn.
func (d *Disk) Kill(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == 0 && d.dead == nil {
		d.dead = ErrKilled
	}
	d.killAt = d.ops + n
}

// Respawn begins a process in the place of one that was killed: files that were open are dead, locks are released, and
// all that was written is in the cache still. Fault is nil and the room without limit. It does not bring power back.
func (d *Disk) Respawn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun()
	if d.dead == ErrKilled {
		d.dead = nil
	}
}

// begun is for the begin of a process.
func (d *Disk) begun() {
	d.locked = map[string]bool{}
	d.boot++
	d.powerAt, d.killAt, d.room, d.Fault = 0, 0, -1, nil
}

// ReadFile returns the content of a file.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[name]
	if n == nil {
		return nil, notExist("read", name)
	}
	return slices.Clone(n.cache), nil
}

// WriteFile makes a file with this content, or gives an existing one this content, durably and without fault.
func (d *Disk) WriteFile(name string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &node{cache: slices.Clone(content), durable: slices.Clone(content), mode: 0o644}
	d.names[name], d.durable[name] = n, n
}

// Names returns the names of all files, sorted.
func (d *Disk) Names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.names))
}

// Ops is the number of changes so far, as LosePower counts them.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// nodes returns each file that has a name, in an order that depends on the names alone.
func (d *Disk) nodes() []*node {
	var all []*node
	seen := map[*node]bool{}
	add := func(names map[string]*node) {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if n := names[name]; !seen[n] {
				seen[n] = true
				all = append(all, n)
			}
		}
	}
	add(d.names)
	add(d.durable)
	for _, change := range d.pending {
		for _, c := range change {
			if c.node != nil && !seen[c.node] {
				seen[c.node] = true
				all = append(all, c.node)
			}
		}
	}
	return all
}

// begin is called at the start of each operation with the lock held. last is the error that the operation returns
// though it is done, or a part of it, because nobody hears of it any more.
func (d *Disk) begin(op Op, name string, boot int) (last, err error) {
	if d.dead != nil {
		return nil, d.dead
	}
	if boot != d.boot {
		return nil, ErrKilled
	}
	switch op {
	case OpOpen, OpRead, OpLock:
	default:
		d.ops++
		switch d.ops {
		case d.powerAt:
			d.dead = ErrPower
		case d.killAt:
			d.dead = ErrKilled
		}
		if d.dead != nil {
			return d.dead, nil
		}
	}
	if d.Fault != nil {
		return nil, d.Fault(op, name)
	}
	return nil, nil
}

// gone reports whether begin's error is not one of Fault's: there is no disk to do a part of the work.
func (d *Disk) gone(err error) bool { return err != nil && (err == d.dead || err == ErrKilled) }

// name changes a name or two.
func (d *Disk) name(op Op, name string, change naming) error {
	last, err := d.begin(op, name, d.boot)
	if err != nil {
		return err
	}
	change.apply(d.names)
	d.pending = append(d.pending, change)
	return last
}

func (change naming) apply(names map[string]*node) {
	for _, c := range change {
		if c.node == nil {
			delete(names, c.name)
		} else {
			names[c.name] = c.node
		}
	}
}

// OpenFile opens a file for reading and writing, with the flags of os.OpenFile.
func (d *Disk) OpenFile(name string, flag int, perm fs.FileMode) (*DiskFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.begin(OpOpen, name, d.boot); err != nil {
		return nil, err
	}
	n := d.names[name]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, notExist("open", name)
	case n != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n == nil:
		n = &node{mode: perm}
		change := naming{{name, n}}
		change.apply(d.names)
		d.pending = append(d.pending, change)
	case flag&os.O_TRUNC != 0:
		n.edit(edit{0, nil})
	}
	return &DiskFile{disk: d, node: n, name: name, boot: d.boot}, nil
}

// Link gives a file a second name.
func (d *Disk) Link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.names[from] == nil:
		return notExist("link", from)
	case d.names[to] != nil:
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	return d.name(OpLink, to, naming{{to, d.names[from]}})
}

// Rename gives a file another name, which may be taken.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[from] == nil {
		return notExist("rename", from)
	}
	return d.name(OpRename, to, naming{{to, d.names[from]}, {from, nil}})
}

// Remove takes a name away.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] == nil {
		return notExist("remove", name)
	}
	return d.name(OpRemove, name, naming{{name, nil}})
}

// SyncDir makes all names durable.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, err := d.begin(OpSyncDir, name, d.boot)
	if err := cmp.Or(last, err); err != nil {
		return err
	}
	d.durable, d.pending = maps.Clone(d.names), nil
	return nil
}

// Lock takes the lock called name, or fails with ErrBusy.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.begin(OpLock, name, d.boot); err != nil {
		return nil, err
	}
	if d.locked[name] {
		return nil, fmt.Errorf("%s: %w", name, ErrBusy)
	}
	d.locked[name] = true
	return &diskLock{d, name, d.boot}, nil
}

type diskLock struct {
	disk *Disk
	name string
	boot int
}

func (l *diskLock) Close() error {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	if l.boot == l.disk.boot {
		delete(l.disk.locked, l.name)
	}
	return nil
}

func notExist(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

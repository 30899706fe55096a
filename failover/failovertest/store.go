package failovertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

var (
	errDisk  = errors.New("no space left on device")
	errPower = errors.New("crash")
)

// store is the lease.Store of a server: what survives the server's life. In some worlds it is a leasefile on a disk that
// tears and reorders what was not synced at a loss of power, in the others a map.
type store struct {
	leases map[netip.Addr]lease.Lease // what is durable
	peers  map[string]lease.Peer
	broken bool // every write fails
	next   int  // so many writes fail

	disk  *leasetest.Disk // nil: there is no file
	disks uint64          // the seed of the disk, and after it of its successors
	file  *leasefile.Store
	last  lease.Batch // the write that a loss of power interrupted, which may have been done or not
}

// leasePath is the name of the lease file.
const leasePath = "dhcpd.leases"

func newStore() *store {
	return &store{leases: make(map[netip.Addr]lease.Lease), peers: make(map[string]lease.Peer)}
}

// diskFS lets a leasetest.Disk be a leasefile.FS.
type diskFS struct{ *leasetest.Disk }

func (d diskFS) OpenFile(name string, flag int, perm fs.FileMode) (leasefile.File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Load implements lease.Store. What a file says is compared with the map in open.
func (s *store) Load(context.Context) (iter.Seq2[lease.Lease, error], []lease.Peer, error) {
	all := slices.SortedFunc(maps.Values(s.leases), func(a, b lease.Lease) int { return a.Addr.Compare(b.Addr) })
	return func(yield func(lease.Lease, error) bool) {
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
	}, slices.SortedFunc(maps.Values(s.peers), func(a, b lease.Peer) int { return cmp.Compare(a.Name, b.Name) }), nil
}

// Apply implements lease.Store.
func (s *store) Apply(ctx context.Context, b lease.Batch) error {
	if s.broken {
		return errDisk
	}
	if s.next > 0 {
		s.next--
		return errDisk
	}
	if err := b.Validate(); err != nil {
		return err
	}
	for _, c := range b.Changes {
		if have := s.get(c.New.Addr); c.Old != have && !(c.Old == (lease.Lease{}) && have.IsVirgin()) {
			return fmt.Errorf("%w: %v is %v", lease.ErrConflict, c.New.Addr, have.Status)
		}
	}
	if s.file != nil {
		if err := s.file.Apply(ctx, b); err != nil {
			s.last = b
			return fmt.Errorf("%w: %w", errDisk, err)
		}
	}
	s.took(b)
	return nil
}

// took notes that a batch is durable.
func (s *store) took(b lease.Batch) {
	for _, c := range b.Changes {
		if c.New.IsVirgin() {
			delete(s.leases, c.New.Addr)
		} else {
			s.leases[c.New.Addr] = c.New
		}
	}
	for _, p := range b.Peers {
		s.peers[p.Name] = p
	}
}

// Close implements lease.Store.
func (s *store) Close() error { return nil }

// get is what is durable of one address.
func (s *store) get(a netip.Addr) lease.Lease {
	if l, ok := s.leases[a]; ok {
		return l
	}
	return lease.Virgin(a)
}

// clone is a backup.
func (s *store) clone() *store {
	c := newStore()
	maps.Copy(c.leases, s.leases)
	maps.Copy(c.peers, s.peers)
	return c
}

// lose forgets everything.
func (s *store) lose() {
	clear(s.leases)
	clear(s.peers)
	s.last = lease.Batch{}
	if s.disk != nil {
		s.crash(true)
		s.disks++
		s.disk = leasetest.NewDisk(s.disks)
	}
}

// restore puts the backup in the place of what is there.
func (s *store) restore(backup *store) error {
	s.lose()
	if err := s.open(); err != nil {
		return err
	}
	var all lease.Batch
	for _, l := range backup.leases {
		all.Changes = append(all.Changes, lease.Change{New: l})
	}
	slices.SortFunc(all.Changes, func(a, b lease.Change) int { return a.New.Addr.Compare(b.New.Addr) })
	for _, p := range backup.peers {
		all.Peers = append(all.Peers, p)
	}
	if s.file != nil && !all.Empty() {
		if err := s.file.Apply(context.Background(), all); err != nil {
			return err
		}
	}
	s.took(all)
	s.crash(false)
	return nil
}

// crash ends the process that has the file open, with the loss of power or without.
func (s *store) crash(power bool) {
	if s.disk == nil {
		return
	}
	if power {
		s.disk.LosePower(0)
	} else {
		s.disk.Kill(0)
	}
	if s.file != nil {
		_ = s.file.Close() // it fails: there is no disk any more
		s.file = nil
	}
	if power {
		s.disk.Restart()
	} else {
		s.disk.Respawn()
	}
}

// open opens the file, if the store has one, and asks I10 of it: it says what was durable, with the write that was under
// way wholly done or not at all.
func (s *store) open() error {
	if s.disk == nil || s.file != nil {
		return nil
	}
	var err error
	s.file, err = leasefile.Open(leasePath, leasefile.Config{FS: diskFS{s.disk}})
	if err != nil {
		return err
	}
	leases, peers, err := s.file.Load(context.Background())
	if err != nil {
		return err
	}
	have := newStore()
	for l, err := range leases {
		if err != nil {
			return err
		}
		have.leases[l.Addr] = l
	}
	for _, p := range peers {
		have.peers[p.Name] = p
	}
	want := s.clone()
	if !have.equal(want) {
		want.took(s.last)
		if !have.equal(want) {
			return errors.New("the lease file has neither what was there before the crash nor what was written then")
		}
		s.took(s.last)
	}
	s.last = lease.Batch{}
	return nil
}

func (s *store) equal(t *store) bool {
	return maps.Equal(s.leases, t.leases) && maps.Equal(s.peers, t.peers)
}

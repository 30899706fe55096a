package leasefile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/internal/paged"
)

// Config is how a Store keeps its file. The zero value is useful.
type Config struct {
	// Failover reports whether an address is in a pool with a failover partner. It decides what ISC dhcpd would read
	// of the end of an active lease (`next binding state expired` or `free`), and nothing else. nil: none is. It may be
	// called from several goroutines.
	Failover func(netip.Addr) bool
	// CompactAt is when the file is rewritten with only what counts.
	CompactAt Growth
	// Report is told of what Open left out of a file (*Damage), and of what goes wrong without a caller: a compaction
	// in the background. It may be called from several goroutines, must not call the Store, and holds up Applies for
	// as long as it takes. nil: nobody is told.
	Report func(error)
	// Progress is told how much of the work of Open and of a Load right after it is done, in octets: each reads the file
	// once, so size is twice that of the file. It is called by who called those, several times for a large file, and must
	// not call the Store. nil: nobody is told.
	Progress func(done, size int64)
	// FS is where the file is; nil is the operating system.
	FS FS
}

// Growth is how large a lease file may become before it is rewritten: both measures must be exceeded.
type Growth struct {
	Factor int   // stanzas in the file for each lease on record; 0 is 3, below 0 is never
	Size   int64 // octets; 0 is 4 MiB
}

const (
	defaultFactor = 3
	defaultSize   = 4 << 20
)

// Validate returns an error that names the field with a value that cannot work.
func (c Config) Validate() error {
	if c.CompactAt.Factor == 1 {
		return fmt.Errorf("leasefile: Config.CompactAt.Factor is 1: the file would be rewritten at each change, 2 is the least")
	}
	if c.CompactAt.Size < 0 {
		return fmt.Errorf("leasefile: Config.CompactAt.Size is %d octets", c.CompactAt.Size)
	}
	return nil
}

// Store is a lease.Store in a file. Its methods may be called from several goroutines.
type Store struct {
	path     string
	fs       FS
	cfg      Config
	unlock   io.Closer
	seed     maphash.Seed
	readAt   time.Time          // "now" for stanzas that are written relative to the time of reading
	ctx      context.Context    // ends at Close
	cancel   context.CancelFunc // of ctx
	reading  chan struct{}      // holds a token while a Load or a compaction reads the file
	wake     chan struct{}      // holds a token while somebody may wait in queue
	calls    chan func()        // for the loop to run between two commits
	quit     chan struct{}      // closed: the loop ends when the queue is empty
	outcomes chan outcome       // of what the loop has written
	done     chan struct{}      // closed: all have been told, after the loop has ended
	opened   bool               // Open has returned
	closing  sync.Once
	closeErr error

	mu     sync.Mutex // never held over a system call
	queue  []*request // waiting for the loop
	holds  int        // more is about to be queued
	spares []*request // to be used again
	kept   int        // octets of room that they have
	closed bool
	failed error // the picture a Load gave is not whole: nothing may be decided on it

	// What the loop alone writes. It holds state to write, and others hold it to read.
	state   sync.Mutex
	file    File
	size    int64 // of the file, all of it durable
	shift   int64 // a place is an offset in the file plus this
	index   paged.Map[entry]
	peers   map[string]lease.Peer
	stanzas int64 // in the file, of leases
	retryAt int64 // after a compaction that failed: the number of stanzas at which to try again
	// surveyed is what Open found, for the first Load to begin with.
	surveyed surveyed

	// Of the loop alone.
	group    []*request // what is being written
	told     []*request // what somebody is telling; exchanged with the next group
	glue     bool       // the file does not end with a newline
	tail     []byte     // the durable octets since the last multiple of block
	torn     bool       // the file may be longer than size: cut before anything else
	unsynced bool       // the directory may not be durable: sync before anything else
	buf      []byte
	pending  map[uint32]entry
}

// surveyed says where the stanzas are in the first octets of a file, which are so many.
type surveyed struct {
	regions []region
	size    int64
}

// entry is what the index keeps of one lease: where its stanza stands and a hash of what it says. There is none for a
// virgin lease.
type entry struct {
	place int64
	hash  uint64
}

// nowhere is the entry of an address without one: no stanza stands there.
var nowhere = entry{place: -1 << 62}

// Open opens the lease file at path, or makes it. It reads the whole file, cuts off what a crash left unfinished at its
// end, and leaves out what it cannot believe: see the package's documentation, Damage and Config.Report. It fails with
// ErrLocked if the file is in use, and with the error of the file system if it cannot be read, or cannot be made
// sound. The caller closes the Store.
func Open(path string, cfg Config) (*Store, error) { return open(path, cfg, time.Now()) }

// Len is the number of leases on record.
func (s *Store) Len() int {
	s.state.Lock()
	defer s.state.Unlock()
	return s.index.Len()
}

// Load implements lease.Store. The leases are read from the file as they are asked for. If that fails half way every
// later Apply fails with the reason, too, because a server that misses leases would give them away. Load may be called at any time; a compaction waits until the leases were all
// given, and the loop over them must not call Compact or Close.
func (s *Store) Load(ctx context.Context) (iter.Seq2[lease.Lease, error], []lease.Peer, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("leasefile: load: %w", err)
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil, nil, lease.ErrClosed
	}
	s.state.Lock()
	defer s.state.Unlock()
	var peers []lease.Peer
	for _, name := range slices.Sorted(maps.Keys(s.peers)) {
		peers = append(peers, s.peers[name])
	}
	return func(yield func(lease.Lease, error) bool) {
		stopped := false
		err := s.load(ctx, func(l lease.Lease) bool {
			stopped = !yield(l, nil)
			return !stopped
		})
		if err != nil {
			err = fmt.Errorf("leasefile: load: %w", err)
			s.mu.Lock()
			s.failed = err
			s.mu.Unlock()
			s.report(err)
			if !stopped {
				yield(lease.Lease{}, err)
			}
		}
	}, peers, nil
}

func (s *Store) load(ctx context.Context, yield func(lease.Lease) bool) error {
	if err := s.hold(ctx); err != nil {
		return err
	}
	defer s.release()
	s.state.Lock()
	size, shift, found := s.size, s.shift, s.surveyed
	s.surveyed = surveyed{}
	s.state.Unlock()
	first := found.size == size && size > 0
	if !first {
		var err error
		if found.regions, err = s.verify(s.file, size); err != nil {
			return err
		}
	}
	stop := errors.New("enough")
	given := 0
	err := inPieces(s.ctx, s.file, found.regions, pieceSize, func(p *piece) { s.readAgain(p, shift) }, func(p *piece) error {
		given += len(p.leases)
		if first {
			s.progress(size+p.end, size)
		}
		for i := range p.leases {
			if !yield(p.leases[i]) {
				return stop
			}
		}
		return p.err
	})
	switch {
	case err == stop:
		return nil
	case s.ctx.Err() != nil:
		return lease.ErrClosed
	case err != nil:
		return s.named(err)
	case first:
		return s.complete(size, given)
	}
	return nil
}

// complete checks that the first Load, which trusts in the survey of Open, found the file as that did: each lease was
// compared with its hash, and if none is missing there is nothing else that counts.
func (s *Store) complete(size int64, given int) error {
	s.state.Lock()
	same, have := s.size == size, s.index.Len()
	s.state.Unlock()
	if !same { // an Apply has changed what is to be given
		_, err := s.verify(s.file, size)
		return err
	}
	if given != have {
		return fmt.Errorf("leasefile: %s: %d of %d leases are gone that were read first: %w", s.path, have-given, have, lease.ErrCorrupt)
	}
	return nil
}

// verify checks once more that the first size octets of the file are sound: the disk may have changed its mind since
// they were read or written, and returns where its stanzas are. The caller has the right to read.
func (s *Store) verify(file io.ReaderAt, size int64) ([]region, error) {
	plan, err := surveyFile(file, size)
	switch {
	case err != nil:
		return nil, err
	case len(plan.damage) > 0:
		return nil, s.named(errors.Join(plan.damage[0], plan.damage[0].look(file)))
	case plan.torn != nil:
		return nil, s.named(plan.torn)
	}
	return plan.regions, nil
}

// walk gives fn each lease in the regions that counts, and each stanza that is not Tandem's business, and returns fn's
// error. It fails where the file does not say what it said when it was read first. The caller has the right to read.
func (s *Store) walk(ctx context.Context, file io.ReaderAt, regions []region, shift int64, fn func(*declared, stanza) error) error {
	for sc := newScanner(file, regions...); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		st, err := sc.next()
		if err == io.EOF {
			return nil
		}
		if a, ok := st.addr(); ok && s.at(a).place != st.offset+shift {
			continue // superseded; most stanzas are, before a compaction
		}
		var d *declared
		if err == nil {
			d, err = sc.read(st, s.readAt)
		}
		if bad := (*Damage)(nil); errors.As(err, &bad) && !s.opened {
			continue // Open has reported it, and kept the file
		}
		if err == nil && d.what == aLease {
			e := s.at(d.lease.Addr)
			if e.place != st.offset+shift {
				continue
			}
			if e.hash != s.hash(&d.lease) {
				err = st.damage(errChanged)
			}
		}
		if err == nil {
			err = fn(d, st)
		}
		if err != nil {
			return s.named(err)
		}
	}
}

// at is what the index has of an address. Nothing stands at the place of one that it does not have.
func (s *Store) at(a netip.Addr) entry {
	s.state.Lock()
	defer s.state.Unlock()
	if e, ok := s.index.Get(number(a)); ok {
		return e
	}
	return nowhere
}

// hold takes the right to read the file from end to end, which keeps compactions away. The error is that of a context,
// or lease.ErrClosed.
func (s *Store) hold(ctx context.Context) error {
	select {
	case s.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return lease.ErrClosed
	}
}

func (s *Store) release() { <-s.reading }

// Close implements lease.Store: it waits for each Apply that has begun, stops a compaction, and releases the file.
// Its error says what of the closing went wrong; all that was acknowledged is durable all the same.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.cancel()
		s.reading <- struct{}{} // for good
		close(s.quit)
		<-s.done
		s.closeErr = errors.Join(s.repair(), s.file.Close(), s.unlock.Close())
	})
	return s.closeErr
}

// report tells Config.Report.
func (s *Store) report(err error) {
	if s.cfg.Report != nil {
		s.cfg.Report(err)
	}
}

// progress tells Config.Progress of a file of size octets.
func (s *Store) progress(done, size int64) {
	if s.cfg.Progress != nil {
		s.cfg.Progress(done, 2*size)
	}
}

// named puts the file's name into a Damage.
func (s *Store) named(err error) error {
	if d := (*Damage)(nil); errors.As(err, &d) {
		d.Path = s.path
	}
	return err
}

// failover is Config.Failover.
func (s *Store) failover(a netip.Addr) bool { return s.cfg.Failover != nil && s.cfg.Failover(a) }

// hash is a hash of all that a lease says, never 0; 0 is for the virgin lease.
func (s *Store) hash(l *lease.Lease) uint64 {
	if l.IsVirgin() {
		return 0
	}
	var room [256]byte
	b := binary.BigEndian.AppendUint32(room[:0], number(l.Addr))
	unacked := byte(0)
	if l.Unacked {
		unacked = 1
	}
	b = append(b, byte(l.Status), byte(l.Rewind), byte(l.Flags), unacked)
	for _, t := range [...]*time.Time{&l.Since, &l.Expiry, &l.LastTransaction,
		&l.SentPotentialExpiry, &l.AckedPotentialExpiry, &l.ReceivedPotentialExpiry} {
		b = binary.BigEndian.AppendUint64(b, uint64(lease.ToUnix(*t)))
	}
	for _, text := range [...]string{l.Client.ID, string(l.Client.HW), l.HostName, l.VendorClass, l.RelayInfo} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return max(maphash.Bytes(s.seed, b), 1)
}

// number is an IPv4 address as an integer.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// address is the inverse of number.
func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

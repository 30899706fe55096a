package leasefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// header begins each file that Tandem makes: ISC dhcpd's own header, but for the writer's name.
const header = `# The format of this file is documented in the dhcpd.leases(5) manual page.
# This lease file was written by tandem

# authoring-byte-order entry is generated, DO NOT DELETE
authoring-byte-order little-endian;

`

// Suffixes of the files beside a lease file.
const (
	newSuffix     = ".new"      // a compaction under way
	oldSuffix     = "~"         // the file before the last compaction
	damagedSuffix = ".damaged-" // and a number: a file in which Open found damage
)

// maxDamaged is how many damaged files are kept side by side. With one more Open fails: something is wrong with the
// disk, and evidence is not thrown away.
const maxDamaged = 100

// maxReported is how many parts of one file are reported one by one.
const maxReported = 100

// filePermissions are those of a new lease file: all may read who has what address, as with ISC dhcpd.
const filePermissions fs.FileMode = 0o644

func open(path string, cfg Config, now time.Time) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.CompactAt.Factor == 0 {
		cfg.CompactAt.Factor = defaultFactor
	}
	if cfg.CompactAt.Size == 0 {
		cfg.CompactAt.Size = defaultSize
	}
	fsys := cfg.FS
	if fsys == nil {
		fsys, path = osFS{}, realPath(path)
	}
	s := &Store{
		path: path, fs: fsys, cfg: cfg, seed: maphash.MakeSeed(), readAt: now,
		reading: make(chan struct{}, 1), wake: make(chan struct{}, 1), calls: make(chan func()),
		quit: make(chan struct{}), done: make(chan struct{}), outcomes: make(chan outcome),
		peers: make(map[string]lease.Peer), pending: make(map[uint32]entry),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		s.cancel()
		if s.file != nil {
			s.file.Close()
		}
		if s.unlock != nil {
			s.unlock.Close()
		}
		return nil, fmt.Errorf("leasefile: open %s: %w", path, err)
	}
	s.opened = true
	go s.loop()
	go s.announce()
	return s, nil
}

func (s *Store) open() (err error) {
	if s.unlock, err = s.fs.Lock(s.path); err != nil {
		return err
	}
	if err := s.fs.Remove(s.path + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	call := func(f func() error) error { return f() } // there is no loop yet
	file, err := s.fs.OpenFile(s.path, 0, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if s.exists(s.path + oldSuffix) {
			// To begin with nothing would give all leases away a second time.
			return fmt.Errorf("the file is missing, but %s%s is there: put that in its place, or away", s.path, oldSuffix)
		}
	case err != nil:
		return err
	default:
		s.file = file
		info, err := file.Stat()
		if err != nil {
			return err
		}
		s.size = info.Size()
	}
	if s.size == 0 {
		return s.rewrite(s.ctx, nil, call)
	}
	plan, err := s.read()
	if err != nil {
		return err
	}
	if len(plan.damage) > 0 {
		name, err := s.preserve()
		if err != nil {
			return fmt.Errorf("keeping the damaged file: %w", err)
		}
		if err = s.rewrite(s.ctx, plan.regions, call); err != nil && !s.unsynced {
			// The file still has its own name, and the next Open will want the other one again.
			err = errors.Join(err, s.fs.Remove(name))
		}
		return err
	}
	if plan.torn != nil {
		if err := s.file.Truncate(plan.torn.Offset); err != nil {
			return err
		}
		s.size = plan.torn.Offset
	}
	s.glue = plan.glue
	// What a process that was killed had written, but not synced, was read and will be relied on. The same goes for
	// the names in the directory.
	if err := s.file.Sync(); err != nil {
		return err
	}
	if err := s.fs.SyncDir(s.path); err != nil {
		return err
	}
	if s.grown() {
		return s.rewrite(s.ctx, plan.regions, call)
	}
	s.surveyed = surveyed{plan.regions, s.size}
	s.tail, err = readTail(s.file, s.size)
	return err
}

// read fills the index from the file, and reports what it leaves out.
func (s *Store) read() (survey, error) {
	plan, err := surveyFile(s.file, s.size)
	if err != nil {
		return survey{}, err
	}
	reported := 0
	report := func(d *Damage) {
		d.Path = s.path
		if reported++; reported <= maxReported {
			s.report(d)
		}
	}
	for _, d := range plan.damage {
		if err := d.look(s.file); err != nil {
			return survey{}, err
		}
		report(d)
	}
	err = inPieces(s.ctx, s.file, plan.regions, pieceSize, s.readFirst, func(p *piece) error {
		s.progress(p.end, s.size)
		s.stanzas += int64(len(p.places))
		for _, at := range p.places {
			s.put(at.addr, at.entry) // the latest counts
		}
		for _, peer := range p.peers {
			s.peers[peer.Name] = peer
		}
		for _, d := range p.damage {
			plan.damage = append(plan.damage, d)
			report(d)
		}
		return p.err
	})
	if err != nil {
		return survey{}, err
	}
	if plan.torn != nil {
		report(plan.torn)
	}
	if reported > maxReported {
		s.report(fmt.Errorf("leasefile: %s: %d more parts left out: %w", s.path, reported-maxReported, lease.ErrCorrupt))
	}
	return plan, nil
}

// put records that a stanza is the one that counts for an address. The caller holds state, or is alone.
func (s *Store) put(addr uint32, e entry) {
	if e.hash == 0 {
		s.index.Delete(addr)
	} else {
		s.index.Put(addr, e)
	}
}

// readTail reads what Store.tail must hold.
func readTail(f File, size int64) ([]byte, error) {
	tail := make([]byte, size%block)
	if n, err := f.ReadAt(tail, size-int64(len(tail))); n < len(tail) {
		return nil, err
	}
	return tail, nil
}

func (s *Store) exists(name string) bool {
	f, err := s.fs.OpenFile(name, 0, 0)
	if err == nil {
		f.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// preserve gives the file another name, under which it survives the compaction that follows, and returns that. Where
// there are no hard links it is copied.
func (s *Store) preserve() (name string, err error) {
	for n := 1; n <= maxDamaged; n++ {
		name = fmt.Sprintf("%s%s%d", s.path, damagedSuffix, n)
		err = s.fs.Link(s.path, name)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = s.copyTo(name)
		}
		switch {
		case err == nil:
			return name, s.fs.SyncDir(s.path)
		case !errors.Is(err, fs.ErrExist):
			return "", err
		}
	}
	return "", fmt.Errorf("%d files %s%s* are there already", maxDamaged, s.path, damagedSuffix)
}

func (s *Store) copyTo(name string) (err error) {
	f, err := s.fs.OpenFile(name, os.O_CREATE|os.O_EXCL, filePermissions)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, s.fs.Remove(name))
		}
	}()
	if _, err := io.Copy(io.NewOffsetWriter(f, 0), io.NewSectionReader(s.file, 0, s.size)); err != nil {
		return err
	}
	return f.Sync()
}

// look reads the damaged part: for the addresses in it, and for the line it begins in where that is not known yet.
func (d *Damage) look(r io.ReaderAt) error {
	text := make([]byte, min(d.Size, maxStanza))
	if _, err := r.ReadAt(text, d.Offset); err != nil && err != io.EOF {
		return err
	}
	d.Addrs = leaseAddrs(text, nil)
	if errors.Is(d.Err, errUnopened) {
		d.Line -= bytes.Count(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'}) // it was noticed in its last line
	}
	return nil
}

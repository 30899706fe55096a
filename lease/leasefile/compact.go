package leasefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/tandem-dhcp/tandem/lease"
)

const (
	// commitText is about how long the commits of a rewritten file are: octets.
	commitText = 64 << 10
	// syncEvery is after how much written the new file is synced: octets. Much that waits to be written holds up the
	// syncs of Applies meanwhile.
	syncEvery = 512 << 10
	// shortCatchUp is how much may be left to copy when Applies are made to wait for the rest: octets.
	shortCatchUp = 64 << 10
	// maxCatchUps is how often what was written meanwhile is copied before Applies are made to wait.
	maxCatchUps = 16
	// moveTogether is how many entries of the index are changed under the lock at once.
	moveTogether = 256
)

// Compact rewrites the file with one stanza for each lease and peer on record, while Applies go on; only for the last
// of what was written meanwhile, a sync and a rename do they wait. The file as it was becomes path~. A crash, or an
// error, at any point loses nothing. Compact waits while a Load or another compaction is going on. It is called by the
// Store itself when the file has grown as Config.CompactAt says.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.hold(ctx); err != nil {
		return fmt.Errorf("leasefile: compact: %w", err)
	}
	defer s.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	return s.compact(ctx)
}

// compact is called with the right to read the file.
func (s *Store) compact(ctx context.Context) error {
	err := s.rewrite(ctx, nil, s.inLoop)
	if err == nil {
		return nil
	}
	if s.ctx.Err() != nil {
		return lease.ErrClosed
	}
	s.state.Lock()
	s.retryAt = s.stanzas + s.stanzas/4
	s.state.Unlock()
	return fmt.Errorf("leasefile: compact %s: %w", s.path, err)
}

// grown reports whether a compaction is worthwhile. The caller is the loop, or alone.
func (s *Store) grown() bool {
	factor := int64(s.cfg.CompactAt.Factor)
	return factor > 0 && s.size > s.cfg.CompactAt.Size && s.stanzas > factor*int64(max(s.index.Len(), 1))
}

// compactIfGrown starts a compaction in the background, unless the file is being read. It is called by the loop.
func (s *Store) compactIfGrown() {
	s.state.Lock()
	due := s.grown() && s.stanzas > s.retryAt
	s.state.Unlock()
	if !due {
		return
	}
	select {
	case s.reading <- struct{}{}:
	default:
		return
	}
	go func() {
		defer s.release()
		if err := s.compact(s.ctx); err != nil && !errors.Is(err, lease.ErrClosed) {
			s.report(err)
		}
	}()
}

// inLoop has the loop run f between two commits.
func (s *Store) inLoop(f func() error) error {
	done := make(chan error, 1)
	s.calls <- func() { done <- f() }
	return <-done
}

// rewriting is a compaction under way.
type rewriting struct {
	to     File
	size   int64 // of what is written to it
	synced int64 // of that, what was synced
	text   []byte
	buf    []byte
	// moved has the place in the new file for each lease copied. The index is told of them after the new file has
	// taken the old one's name, because a compaction may fail.
	moved []move
	based int // how many of moved are offsets in the file already, and not in text
	// from is the place in the old file behind which Applies went on, caughtUp how far those are copied. copied is
	// where in the new file they begin.
	from, caughtUp, copied int64
	stanzas                int64 // in the old file at from
	swapped                bool
	old                    File // what was the file, once the new one has its name
	pace                   pace
}

type move struct {
	addr uint32
	at   int64 // offset in the new file
}

// rewrite copies what is on record to a new file, and then has exclusive run what swaps it with the old one while nobody
// else writes. Open says in which regions of the file to look; later all of it is sound, up to where Applies go on.
func (s *Store) rewrite(ctx context.Context, regions []region, exclusive func(func() error) error) (err error) {
	mode := filePermissions
	if s.file != nil {
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		mode = info.Mode().Perm()
	}
	name := s.path + newSuffix
	w := &rewriting{pace: pace{hurried: !s.opened}}
	if w.to, err = s.fs.OpenFile(name, os.O_CREATE|os.O_TRUNC, mode); err != nil {
		return err
	}
	defer func() {
		if w.swapped {
			s.move(w)
			return
		}
		w.to.Close()
		if rerr := s.fs.Remove(name); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = fmt.Errorf("%w (and %w)", err, rerr)
		}
	}()
	if err := s.copyLive(ctx, w, regions); err != nil {
		return err
	}
	for n, before := 0, w.from; n < maxCatchUps; n++ {
		s.state.Lock()
		size := s.size
		s.state.Unlock()
		left := size - w.caughtUp
		if n > 0 && left <= shortCatchUp {
			break
		}
		from := io.ReaderAt(gentle{s.file, s, w})
		if left > before/2 {
			from = s.file // with rests it would not come to an end
		}
		if err := s.catchUp(w, from, size); err != nil {
			return err
		}
		if err := w.sync(); err != nil {
			return err
		}
		before = left
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// To take the last name from a large file takes long, unless it is open: then the work is done when it is closed.
	backup, berr := s.fs.OpenFile(s.path+oldSuffix, 0, 0)
	err = exclusive(func() error { return s.swap(w) })
	if berr == nil {
		s.drop(ctx, backup, err)
	}
	if w.old != nil {
		s.drop(ctx, w.old, err)
	}
	return err
}

// copyLive writes the header, the peers and each stanza that counts.
func (s *Store) copyLive(ctx context.Context, w *rewriting, regions []region) error {
	s.state.Lock()
	w.from, w.stanzas = s.size, s.stanzas
	shift, peers, leases := s.shift, maps.Clone(s.peers), s.index.Len()
	s.state.Unlock()
	w.caughtUp = w.from
	w.moved = make([]move, 0, leases)
	from := io.ReaderAt(s.file)
	if s.opened {
		from = gentle{s.file, s, w}
		var err error
		if regions, err = s.verify(from, w.from); err != nil {
			return err
		}
	}

	if err := w.write([]byte(header)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(peers)) {
		p := peers[name]
		w.text = appendPeer(w.text, &p)
	}
	err := s.walk(ctx, from, regions, shift, func(d *declared, st stanza) error {
		switch d.what {
		case other:
			// For the day on which ISC dhcpd reads the file again; unless, copied, it could be taken for a marker.
			if !bytes.Contains(st.text, []byte(beginMark)) && !bytes.Contains(st.text, []byte(commitMark)) {
				w.text = append(append(w.text, st.text...), '\n')
			}
		case aLease:
			w.moved = append(w.moved, move{number(d.lease.Addr), int64(len(w.text))})
			w.text = appendLease(w.text, &d.lease, s.failover(d.lease.Addr))
		}
		w.pace.rest()
		if len(w.text) > commitText {
			return w.flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.copied = w.size
	return nil
}

// write appends b to the new file.
func (w *rewriting) write(b []byte) error {
	n, err := w.to.WriteAt(b, w.size)
	w.size += int64(n)
	if err == nil && w.size-w.synced > syncEvery {
		err = w.sync()
	}
	return err
}

func (w *rewriting) sync() error {
	w.synced = w.size
	return w.to.Sync()
}

// flush writes what was collected as one commit.
func (w *rewriting) flush() error {
	if len(w.text) == 0 {
		return nil
	}
	base := w.size + beginLength(int64(len(w.text)))
	for ; w.based < len(w.moved); w.based++ {
		w.moved[w.based].at += base
	}
	w.buf = appendCommit(w.buf[:0], w.text)
	w.text = w.text[:0]
	return w.write(w.buf)
}

// catchUp copies what Applies have written up to size, which is durable. from is the file.
func (s *Store) catchUp(w *rewriting, from io.ReaderAt, size int64) error {
	for w.caughtUp < size {
		b := slices.Grow(w.buf[:0], scanBuffer)[:min(size-w.caughtUp, scanBuffer)]
		if n, err := from.ReadAt(b, w.caughtUp); n < len(b) {
			return err
		}
		if err := w.write(b); err != nil {
			return err
		}
		w.caughtUp += int64(len(b))
		w.buf = b
	}
	return nil
}

// swap puts the new file into the place of the old one. Nobody else writes meanwhile.
func (s *Store) swap(w *rewriting) error {
	if err := s.catchUp(w, s.file, s.size); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	tail, err := readTail(w.to, w.size)
	if err != nil {
		return err
	}
	if s.size > 0 {
		err := s.fs.Remove(s.path + oldSuffix)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = s.fs.Link(s.path, s.path+oldSuffix)
		}
		if err != nil {
			s.report(fmt.Errorf("leasefile: keeping %s%s: %w", s.path, oldSuffix, err))
		}
	}
	if err := s.fs.Rename(s.path+newSuffix, s.path); err != nil {
		return err
	}
	w.swapped = true
	w.old = s.file // it was only read since its last sync
	s.state.Lock()
	s.shift += w.from - w.copied
	s.file, s.size = w.to, w.size
	s.stanzas += int64(len(w.moved)) - w.stanzas
	s.retryAt = 0
	s.surveyed = surveyed{}
	s.state.Unlock()
	// A batch that failed and was never cut off stands in the old file alone.
	s.torn, s.glue, s.unsynced, s.tail = false, false, true, tail
	// Until the new name is durable, a crash could bring the old file back: repair keeps Applies waiting for that.
	return s.repair()
}

// move tells the index where the copied stanzas stand now. A lease that changed since has its place behind w.from.
func (s *Store) move(w *rewriting) {
	for from := 0; from < len(w.moved); from += moveTogether {
		s.state.Lock()
		changed := s.shift + w.copied // the place of the first stanza that was not copied
		for _, m := range w.moved[from:min(from+moveTogether, len(w.moved))] {
			if e, ok := s.index.Get(m.addr); ok && e.place < changed {
				s.index.Put(m.addr, entry{m.at + s.shift, e.hash})
			}
		}
		s.state.Unlock()
		w.pace.rest()
	}
}

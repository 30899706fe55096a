package leasefile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/internal/paged"
)

const (
	// pieceSize is about how much of a file is read by one goroutine, octets: its leases are held until all before them
	// were taken.
	pieceSize = 256 << 10
	// maxSearch is how far behind pieceSize the end of a piece is looked for, octets.
	maxSearch = maxStanza
	// maxReaders bounds how many pieces are read at once.
	maxReaders = 4
)

// piece is a part of a region, and what it says. A piece begins where the region does or with a line that begins with
// "lease ". No stanza goes on over such a line, whole or broken (see interrupted), so that pieces are read alone as they
// are together.
type piece struct {
	region
	first  bool // of its region, whose line it has; the others have line 0
	broken bool // a stanza without end in it is broken off by the next piece
	done   chan struct{}

	sc     scanner
	places []place // of leases: what Open wants
	peers  []lease.Peer
	leases []lease.Lease // that count: what Load wants
	page   int64         // of the index, whose entries these are; -1 is none
	index  [paged.PageSize]entry
	damage []*Damage // lines count from the beginning of the piece, if that is not the first
	err    error     // what ended it early; a *Damage is one of these lines, too
}

// place is what a stanza says of the index. The hash is 0 if the lease is virgin.
type place struct {
	addr uint32
	entry
}

// cutter cuts regions into pieces.
type cutter struct {
	file    io.ReaderAt
	size    int64 // of a piece, about
	regions []region
	inside  bool // the first of regions is what is left of one
	buf     []byte
}

// next sets p to the next piece, and reports false behind the last one. An error of the reader is left to who reads the
// piece.
func (c *cutter) next(p *piece) bool {
	if len(c.regions) == 0 {
		return false
	}
	r := &c.regions[0]
	p.region, p.first, p.broken = *r, !c.inside, false
	if c.inside {
		p.line = 0
	}
	if at := c.boundary(r.start+c.size, r.end); at < r.end {
		p.end, r.start, p.broken, c.inside = at, at, true, true
	} else {
		c.regions, c.inside = c.regions[1:], false
	}
	return true
}

// boundary returns where the first line from at on begins that begins a lease, or end.
func (c *cutter) boundary(at, end int64) int64 {
	const begin = "\nlease "
	if c.buf == nil {
		c.buf = make([]byte, 4<<10)
	}
	for last := min(end, at+maxSearch); at < last; at += int64(len(c.buf) - len(begin)) {
		b := c.buf[:min(int64(len(c.buf)), end-at)]
		if n, _ := c.file.ReadAt(b, at); n < len(b) {
			break
		}
		if n := bytes.Index(b, []byte(begin)); n >= 0 {
			return at + int64(n) + 1
		}
	}
	return end
}

// inPieces reads the regions, several pieces at once where there are several, with read. It gives take one after the other,
// in their order, and ends with the first error of take, or of ctx.
func inPieces(ctx context.Context, file io.ReaderAt, regions []region, size int64, read func(*piece), take func(*piece) error) error {
	c := cutter{file: file, size: size, regions: append([]region(nil), regions...)}
	var under, spares []*piece // under way, in their order
	defer func() {
		for _, p := range under {
			<-p.done
		}
	}()
	readers := min(runtime.GOMAXPROCS(0), maxReaders)
	line := 0
	for {
		for len(under) <= readers {
			var p *piece
			if n := len(spares); n > 0 {
				p, spares = spares[n-1], spares[:n-1]
			} else {
				p = &piece{done: make(chan struct{}, 1)}
			}
			if !c.next(p) {
				break
			}
			p.begin(file)
			under = append(under, p)
			if len(c.regions) == 0 && len(under) == 1 { // the only one
				read(p)
				p.done <- struct{}{}
				break
			}
			go func() {
				read(p)
				p.done <- struct{}{}
			}()
		}
		if len(under) == 0 {
			return nil
		}
		p := under[0]
		<-p.done
		under = under[1:]
		if p.first {
			line = 0
		}
		p.number(line)
		line = p.sc.line + line
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := take(p); err != nil {
			return err
		}
		spares = append(spares, p)
	}
}

// begin makes p ready to be read.
func (p *piece) begin(file io.ReaderAt) {
	p.sc = scanner{r: file, regions: []region{p.region}, buf: p.sc.buf[:0], broken: p.broken}
	clear(p.leases) // of their texts
	p.page = -1
	p.leases, p.places, p.peers, p.damage, p.err = p.leases[:0], p.places[:0], p.peers[:0], p.damage[:0], nil
}

// number makes the lines of damage those of the file, lines being those of the pieces before.
func (p *piece) number(lines int) {
	for _, d := range p.damage {
		d.Line += lines
	}
	if d := (*Damage)(nil); errors.As(p.err, &d) {
		d.Line += lines
	}
}

// readFirst reads a piece for Open: what there is, whether it counts or not.
func (s *Store) readFirst(p *piece) {
	for {
		var d *declared
		st, err := p.sc.next()
		if err == nil {
			d, err = p.sc.read(st, s.readAt)
		}
		switch {
		case err == io.EOF:
			return
		case err != nil:
			bad := (*Damage)(nil)
			if !errors.As(err, &bad) {
				p.err = err
				return
			}
			p.damage = append(p.damage, bad)
		case d.what == aPeer:
			p.peers = append(p.peers, d.peer)
		case d.what == aLease:
			p.places = append(p.places, place{number(d.lease.Addr), entry{st.offset, s.hash(&d.lease)}})
		}
	}
}

// look is at, with a page of the index at once: what an Apply changes meanwhile may be seen as it was.
func (s *Store) look(p *piece, a netip.Addr) entry {
	n := number(a)
	if page := int64(n / paged.PageSize); page != p.page {
		s.state.Lock()
		p.page, p.index = page, s.index.Page(n)
		s.state.Unlock()
	}
	if e := p.index[n%paged.PageSize]; e.hash != 0 {
		return e
	}
	return nowhere
}

// readAgain reads a piece for Load: the leases that count. It fails where the file does not say what it said when it was
// read first.
func (s *Store) readAgain(p *piece, shift int64) {
	for {
		st, err := p.sc.next()
		if err == io.EOF {
			return
		}
		a, ok := st.addr()
		have := entry{}
		if ok {
			if have = s.look(p, a); have.place != st.offset+shift {
				continue // superseded
			}
		}
		var d *declared
		if err == nil {
			d, err = p.sc.read(st, s.readAt)
		}
		if err == nil && d.what != aLease {
			continue
		}
		if err == nil && !ok {
			if have = s.look(p, d.lease.Addr); have.place != st.offset+shift {
				continue
			}
		}
		if err == nil && s.hash(&d.lease) != have.hash {
			err = st.damage(errChanged)
		}
		if err != nil {
			p.err = err
			return
		}
		p.leases = append(p.leases, d.lease)
	}
}

package leasefile

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"time"
)

// maxStanza bounds a stanza, and so the texts of a Lease: octets.
const maxStanza = 1 << 20

// scanBuffer is how much a scanner reads at once, octets.
const scanBuffer = 64 << 10

// stanza is one statement at the top of a lease file: `lease 10.0.0.5 {...}`, `server-duid "...";`.
type stanza struct {
	text   []byte // until the next call
	offset int64
	line   int
	quick  *declared // what it says, if that is known already; until the next call
}

// scanner cuts the sound regions of a file into stanzas. It goes on after what it cannot read.
type scanner struct {
	r       io.ReaderAt
	regions []region // still to come
	broken  bool     // behind the last of them another stanza begins

	buf  []byte
	at   int   // in buf, how far it was read
	base int64 // offset of buf
	end  int64 // of the region
	ours bool  // as of the region
	line int

	said declared // room for stanza.quick
}

func newScanner(r io.ReaderAt, regions ...region) *scanner {
	return &scanner{r: r, regions: regions}
}

// next returns the next stanza, or io.EOF after the last one, or a *Damage (without its Path) where there is something
// else, behind which the next call goes on; or the error of the reader.
func (s *scanner) next() (stanza, error) {
	for {
		if err := s.skipBlank(); err == nil {
			break
		} else if err != io.EOF {
			return stanza{}, err
		}
		if len(s.regions) == 0 {
			return stanza{}, io.EOF
		}
		r := s.regions[0]
		s.regions = s.regions[1:]
		s.buf, s.at, s.base, s.end, s.line, s.ours = s.buf[:0], 0, r.start, r.end, r.line, r.ours
	}
	for {
		if n, ok := s.quick(); ok {
			st := stanza{s.buf[s.at : s.at+n], s.base + int64(s.at), s.line, &s.said}
			s.advance(n)
			return st, nil
		}
		n, err := cut(s.buf[s.at:])
		switch {
		case err == nil:
			st := stanza{s.buf[s.at : s.at+n], s.base + int64(s.at), s.line, nil}
			s.advance(n)
			return st, nil
		case err != errMore:
			return stanza{}, s.damage(err)
		case len(s.buf)-s.at >= maxStanza:
			return stanza{}, s.damage(errLong)
		}
		if err := s.fill(); err == io.EOF {
			if s.broken {
				return stanza{}, s.damage(errBroken)
			}
			return stanza{}, s.damage(errEnd)
		} else if err != nil {
			return stanza{}, err
		}
	}
}

// quick reads a stanza into said, if that is an easy one.
func (s *scanner) quick() (n int, ok bool) {
	n, ok = quick(s.buf[s.at:], &s.said)
	return n, ok && (s.ours || !s.said.ours)
}

// fill reads more of the region behind what is in buf, and io.EOF if there is no more.
func (s *scanner) fill() error {
	if s.at > 0 {
		n := copy(s.buf, s.buf[s.at:])
		s.buf, s.base, s.at = s.buf[:n], s.base+int64(s.at), 0
	}
	have := len(s.buf)
	n := int(min(s.end-s.base-int64(have), int64(max(scanBuffer-have, have, 1))))
	if n <= 0 {
		return io.EOF
	}
	if have+n > cap(s.buf) {
		s.buf = append(make([]byte, 0, have+n), s.buf...)
	}
	got, err := s.r.ReadAt(s.buf[have:have+n], s.base+int64(have))
	s.buf = s.buf[:have+got]
	switch {
	case got == n:
		return nil
	case err == nil, err == io.EOF:
		return io.ErrUnexpectedEOF // the file is shorter than it was
	}
	return err
}

func (s *scanner) advance(n int) {
	s.line += bytes.Count(s.buf[s.at:s.at+n], []byte{'\n'})
	s.at += n
}

// skipBlank passes over white space and comments between stanzas, and returns io.EOF at the end of the region.
func (s *scanner) skipBlank() error {
	for {
		for s.at < len(s.buf) {
			c := s.buf[s.at]
			switch {
			case c == '\n':
				s.line++
				s.at++
				continue
			case isBlank(c):
				s.at++
				continue
			case c != '#':
				return nil
			}
			n := bytes.IndexByte(s.buf[s.at:], '\n')
			if n < 0 {
				break
			}
			s.at += n
		}
		if len(s.buf)-s.at > maxStanza {
			return s.damage(errLongLine)
		}
		if err := s.fill(); err == io.EOF {
			s.at = len(s.buf) // a comment that ends with the region
			return err
		} else if err != nil {
			return err
		}
	}
}

// damage passes over what does not read as a stanza, to the next line that begins one, and returns the Damage.
func (s *scanner) damage(why error) error {
	d := &Damage{Line: s.line, Offset: s.base + int64(s.at), Err: why}
	for first := true; ; first = false {
		n := bytes.IndexByte(s.buf[s.at:], '\n')
		for n < 0 {
			if len(s.buf)-s.at > maxStanza {
				s.at = len(s.buf) - 1 // a line without end
			}
			if err := s.fill(); err == io.EOF {
				n = len(s.buf) - s.at - 1
			} else if err != nil {
				return err
			} else {
				n = bytes.IndexByte(s.buf[s.at:], '\n')
			}
		}
		if !first && beginsStanza(s.buf[s.at:s.at+n+1]) {
			break
		}
		d.Addrs = leaseAddrs(s.buf[s.at:s.at+n+1], d.Addrs)
		s.advance(n + 1)
		if s.at == len(s.buf) {
			if err := s.fill(); err == io.EOF {
				break
			} else if err != nil {
				return err
			}
		}
	}
	d.Size = s.base + int64(s.at) - d.Offset
	return d
}

var errMore = errors.New("leasefile: more is needed")

// cut returns the length of the stanza that b begins with, or errMore if it does not end in b, or what is wrong with
// it.
func cut(b []byte) (int, error) {
	depth := 0
	for i := 0; i < len(b); i++ {
		if !matters[b[i]] {
			continue
		}
		switch c := b[i]; {
		case c == '\n':
			// A stanza that is broken off in the middle must not swallow the next one.
			if next := b[i+1:]; len(next) > 0 && (next[0] == 'l' || next[0] == 'f' || next[0] == '#') {
				if err := interrupted(next); err != nil {
					return 0, err
				}
			}
		case c == '"':
			n := stringEnd(b[i+1:])
			if n < 0 && bytes.IndexByte(b[i+1:], '\n') < 0 {
				return 0, errMore
			}
			if n < 0 {
				return 0, errString
			}
			i += n + 1
		case c == '#':
			n := bytes.IndexByte(b[i:], '\n')
			if n < 0 {
				return 0, errMore
			}
			i += n - 1
		case c == '{':
			depth++
		case c == '}':
			depth--
			if depth < 0 {
				return 0, errBrace
			}
			if depth == 0 {
				return i + 1, nil
			}
		case c != ';':
			return 0, errOctet
		case depth == 0:
			return i + 1, nil
		}
	}
	return 0, errMore
}

// matters has the octets at which cut has to think: all but printable ones and white space, and a few of those.
var matters = func() (t [256]bool) {
	for c := range t {
		t[c] = c < ' ' && !isBlank(byte(c)) || c > '~'
	}
	for _, c := range "\n\"#{};" {
		t[c] = true
	}
	return t
}()

// Beginnings of a line at which a stanza that is still open has been broken off.
var starts = [...]string{"lease ", "failover ", beginMark}

// interrupted returns errBroken if b is such a line, errMore if it may become one.
func interrupted(b []byte) error {
	for _, s := range starts {
		n := min(len(s), len(b))
		switch {
		case s[:n] != string(b[:n]):
		case n == len(s):
			return errBroken
		default:
			return errMore
		}
	}
	return nil
}

// beginsStanza reports whether a line begins with a word that begins a stanza, or is a marker.
func beginsStanza(line []byte) bool {
	if len(line) == 0 || isBlank(line[0]) {
		return false
	}
	if line[0] == '#' {
		return bytes.HasPrefix(line, []byte(beginMark)) || bytes.HasPrefix(line, []byte(commitMark))
	}
	n := 0
	for n < len(line) && !endsWord[line[n]] {
		n++
	}
	switch string(line[:n]) {
	case "lease", "failover", "host", "group", "class", "subclass", "server-duid", "authoring-byte-order":
		return true
	}
	return false
}

func isBlank(c byte) bool {
	return c == ' ' || '\t' <= c && c <= '\r'
}

// read reads what a stanza of next's says, which stands until the next call of that. Damage is here a stanza that says what
// cannot be.
func (s *scanner) read(st stanza, now time.Time) (*declared, error) {
	if st.quick != nil {
		return st.quick, nil
	}
	d, err := parseStanza(st.text, now)
	if err == nil && d.ours && !s.ours {
		err = errStray
	}
	if err == nil {
		s.said = d
		return &s.said, nil
	}
	bad := st.damage(err)
	var syntax *syntaxError
	if errors.As(err, &syntax) {
		bad.Line += bytes.Count(st.text[:syntax.at], []byte{'\n'})
		bad.Err = syntax.err
	}
	return nil, bad
}

// damage is the Damage that is the whole stanza.
func (st stanza) damage(why error) *Damage {
	return &Damage{
		Line: st.line, Offset: st.offset, Size: int64(len(st.text)), Addrs: leaseAddrs(st.text, nil), Err: why,
	}
}

// addr is the address of a lease stanza that begins as Tandem and ISC dhcpd write it.
func (st stanza) addr() (netip.Addr, bool) {
	if st.quick != nil {
		return st.quick.lease.Addr, true
	}
	rest, ok := bytes.CutPrefix(st.text, []byte("lease "))
	if !ok {
		return netip.Addr{}, false
	}
	word, _, _ := bytes.Cut(rest, []byte{' '})
	a, err := netip.ParseAddr(string(word))
	return a, err == nil && a.Is4()
}

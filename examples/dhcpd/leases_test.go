//go:build linux

package main_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A leaseFile is what a file in the syntax of dhcpd.leases(5) says, read here by other code than the program's own.
type leaseFile struct {
	leases map[netip.Addr]leaseRecord
	peers  map[string]peerRecord
}

// A leaseRecord is the last stanza of an address. Times are zero where the stanza has none.
type leaseRecord struct {
	addr                                 netip.Addr
	state                                string // binding state
	starts, ends, tstp, tsfp, atsfp, clt time.Time
	hw, uid                              string // as 08:00:27:d9:45:96; the identifier in hexadecimal
}

// A peerRecord is the last stanza of a failover relationship.
type peerRecord struct{ my, partner string }

// errTorn says that a file ends within a stanza.
var errTorn = errors.New("ends within a stanza")

// parseLeases reads a lease file. The last stanza of an address counts. A stanza without an end, which a server that was
// killed may leave, is not an error: it counts for nothing.
func parseLeases(text string) (*leaseFile, error) {
	f := &leaseFile{leases: make(map[netip.Addr]leaseRecord), peers: make(map[string]peerRecord)}
	w := &words{text: text, line: 1}
	for {
		s, err := w.statement(0)
		switch {
		case errors.Is(err, errTorn):
			return f, nil
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", w.line, err)
		case s == nil:
			return f, nil
		case s.words[0] == "lease" && len(s.words) == 2:
			r, err := s.lease()
			if err != nil {
				return nil, fmt.Errorf("before line %d: %w", w.line, err)
			}
			f.leases[r.addr] = r
		case s.words[0] == "failover" && len(s.words) == 4:
			var p peerRecord
			for _, sub := range s.body {
				if len(sub.words) > 2 && sub.words[1] == "state" {
					switch sub.words[0] {
					case "my":
						p.my = sub.words[2]
					case "partner":
						p.partner = sub.words[2]
					}
				}
			}
			f.peers[s.words[2]] = p
		}
	}
}

// A statement is words that end in a semicolon, or in a body of statements in braces.
type statement struct {
	words []string
	body  []*statement
}

// lease makes a record of a stanza "lease A { ... }".
func (s *statement) lease() (leaseRecord, error) {
	var r leaseRecord
	var err error
	if r.addr, err = netip.ParseAddr(s.words[1]); err != nil {
		return r, err
	}
	for _, sub := range s.body {
		at := map[string]*time.Time{"starts": &r.starts, "ends": &r.ends, "tstp": &r.tstp, "tsfp": &r.tsfp, "atsfp": &r.atsfp, "cltt": &r.clt}[sub.words[0]]
		switch args := sub.words[1:]; {
		case at != nil:
			if *at, err = leaseTime(args); err != nil {
				return r, fmt.Errorf("%v: %w", r.addr, err)
			}
		case sub.words[0] == "binding" && len(args) == 2:
			r.state = args[1]
		case sub.words[0] == "hardware" && len(args) == 2:
			r.hw = args[1]
		case sub.words[0] == "uid" && len(args) == 1:
			r.uid = hex.EncodeToString([]byte(args[0]))
		}
	}
	return r, nil
}

// leaseTime reads "W YYYY/MM/DD HH:MM:SS" or "never".
func leaseTime(args []string) (time.Time, error) {
	if len(args) == 1 && args[0] == "never" {
		return time.Unix(0x7fffffff, 0).UTC(), nil
	}
	if len(args) != 3 {
		return time.Time{}, fmt.Errorf("no time: %q", args)
	}
	return time.ParseInLocation("2006/01/02 15:04:05", args[1]+" "+args[2], time.UTC)
}

// words takes a text apart.
type words struct {
	text string
	at   int
	line int
}

// statement returns the next statement; nil at the end of the text or, within a body, of the body.
func (w *words) statement(depth int) (*statement, error) {
	s := &statement{}
	for {
		word, quoted, err := w.next()
		switch begun := len(s.words) > 0; {
		case err != nil:
			return nil, err
		case word == "" && !quoted: // the end of the text
			if begun || depth > 0 {
				return nil, errTorn
			}
			return nil, nil
		case word == "}" && !quoted:
			if begun || depth == 0 {
				return nil, fmt.Errorf("a brace too many, after %q", s.words)
			}
			return nil, nil
		case word == ";" && !quoted:
			if begun {
				return s, nil
			}
		case word == "{" && !quoted:
			for {
				sub, err := w.statement(depth + 1)
				if err != nil {
					return nil, err
				}
				if sub == nil {
					return s, nil
				}
				s.body = append(s.body, sub)
			}
		default:
			s.words = append(s.words, word)
		}
	}
}

// next returns the next word, brace or semicolon; "" without quoted at the end.
func (w *words) next() (word string, quoted bool, err error) {
	for w.at < len(w.text) {
		switch c := w.text[w.at]; {
		case c == '\n':
			w.line++
			w.at++
		case c == ' ' || c == '\t' || c == '\r':
			w.at++
		case c == '#':
			for w.at < len(w.text) && w.text[w.at] != '\n' {
				w.at++
			}
		case c == '{' || c == '}' || c == ';':
			w.at++
			return string(c), false, nil
		case c == '"':
			word, err := w.quoted()
			return word, true, err
		default:
			from := w.at
			for w.at < len(w.text) && !strings.ContainsRune(" \t\r\n{};\"#", rune(w.text[w.at])) {
				w.at++
			}
			return w.text[from:w.at], false, nil
		}
	}
	return "", false, nil
}

// quoted reads a string in quotes with its escapes.
func (w *words) quoted() (string, error) {
	var b strings.Builder
	for w.at++; w.at < len(w.text); w.at++ {
		switch c := w.text[w.at]; {
		case c == '"':
			w.at++
			return b.String(), nil
		case c == '\\' && w.at+3 < len(w.text) && w.text[w.at+1] >= '0' && w.text[w.at+1] <= '3':
			n, err := strconv.ParseUint(w.text[w.at+1:w.at+4], 8, 8)
			if err != nil {
				return "", err
			}
			b.WriteByte(byte(n))
			w.at += 3
		case c == '\\' && w.at+1 < len(w.text):
			w.at++
			b.WriteByte(w.text[w.at])
		case c == '\n':
			w.line++
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return "", errTorn
}

// seedPool are the addresses of the seed's pool.
var seedPool = func() (all []netip.Addr) {
	for i := 10; i <= 250; i++ {
		all = append(all, netip.AddrFrom4([4]byte{10, 0, 10, byte(i)}))
	}
	return all
}()

// record returns the record of an address. What is not on record is free.
func (f *leaseFile) record(a netip.Addr) leaseRecord {
	if r, ok := f.leases[a]; ok {
		return r
	}
	return leaseRecord{addr: a, state: "free"}
}

// count returns how many addresses of the seed's pool are in each binding state.
func (f *leaseFile) count() map[string]int {
	n := make(map[string]int)
	for _, a := range seedPool {
		n[f.record(a).state]++
	}
	return n
}

// differ returns the addresses of the seed's pool on which two lease files do not agree: binding state and, where it is
// active, client and end.
func differ(f, g *leaseFile) error {
	var diffs []string
	for _, a := range seedPool {
		x, y := f.record(a), g.record(a)
		same := x.state == y.state
		if x.state == "active" {
			same = same && x.hw == y.hw && x.uid == y.uid && x.ends.Equal(y.ends)
		}
		if !same {
			diffs = append(diffs, fmt.Sprintf("%v: %s %s until %v, %s %s until %v", a, x.state, x.hw, x.ends, y.state, y.hw, y.ends))
		}
	}
	if diffs == nil {
		return nil
	}
	slices.Sort(diffs)
	n := len(diffs)
	return fmt.Errorf("%d addresses differ between the lease files, such as\n  %s", n, strings.Join(diffs[:min(n, 8)], "\n  "))
}

func TestParseLeases(t *testing.T) {
	const text = `# comment { ; "
authoring-byte-order little-endian;
server-duid "\000\001}";

lease 10.0.10.129 {
  starts 0 2026/11/22 12:08:38;
  ends never;
  binding state free;
}
lease 10.0.10.129 {
  ends 0 2026/11/22 12:09:38;
  tstp 0 2026/11/29 12:09:08;
  binding state active;
  next binding state expired;
  hardware ethernet b6:ec:57:bf:93:3c;
  uid "\001\266\354W\277\223\"<;";
  on expiry { set x = "}"; }
}
failover peer "ha-dhcp" state {
  my state normal at 0 2026/11/22 12:08:30;
  partner state recover-done at 0 2026/11/22 12:08:30;
}
lease 10.0.10.129 {
  binding state free;`
	f, err := parseLeases(text)
	if err != nil {
		t.Fatal(err)
	}
	want := leaseRecord{
		addr: netip.MustParseAddr("10.0.10.129"), state: "active", hw: "b6:ec:57:bf:93:3c", uid: "01b6ec57bf93223c3b",
		ends: time.Date(2026, 11, 22, 12, 9, 38, 0, time.UTC), tstp: time.Date(2026, 11, 29, 12, 9, 8, 0, time.UTC),
	}
	if got := f.record(want.addr); got != want || len(f.leases) != 1 {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got, want := f.peers["ha-dhcp"], (peerRecord{"normal", "recover-done"}); got != want {
		t.Errorf("got peer %+v, want %+v", got, want)
	}
}

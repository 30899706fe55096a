//go:build linux

package main_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// told is what the played clients of a lab were promised: each client's last ACK. It notes whatever no server may ever do.
type told struct {
	mu     sync.Mutex
	now    map[*player]promise
	holder map[netip.Addr]*player
	naks   map[*player]int
	acks   int
	faults []string // an address given to two, an answer that is none
}

// A promise is what an ACK says. The client that has it may use the address at least until the end.
type promise struct {
	mac  string
	addr netip.Addr
	// end is the lease time after the request was sent, in whole seconds, so the server has no earlier end on record.
	end time.Time
}

// ack notes an ACK that answers a request sent then.
func (l *told) ack(c *player, addr netip.Addr, sent time.Time, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		l.now, l.holder = make(map[*player]promise), make(map[netip.Addr]*player)
	}
	l.acks++
	if other := l.holder[addr]; other != nil && other != c && l.now[other].end.After(sent) {
		l.faults = append(l.faults, fmt.Sprintf("%v was given to %v while %v may use it until %v", addr, c.mac, other.mac, l.now[other].end))
	}
	if old, ok := l.now[c]; ok && l.holder[old.addr] == c {
		delete(l.holder, old.addr)
	}
	l.now[c] = promise{mac: c.mac.String(), addr: addr, end: time.Unix(sent.Unix(), 0).Add(d).UTC()}
	l.holder[addr] = c
}

// nak notes that a client was refused: it gives up its address.
func (l *told) nak(c *player) {
	l.mu.Lock()
	if l.naks == nil {
		l.naks = make(map[*player]int)
	}
	l.naks[c]++
	l.mu.Unlock()
	l.forget(c)
}

// forget notes that a client gives up its address.
func (l *told) forget(c *player) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.now[c]; ok && l.holder[old.addr] == c {
		delete(l.holder, old.addr)
	}
	delete(l.now, c)
}

// count returns how many ACKs there were.
func (l *told) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acks
}

// promises returns what stands.
func (l *told) promises() map[*player]promise {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[*player]promise, len(l.now))
	for c, p := range l.now {
		all[c] = p
	}
	return all
}

// fault notes what no server may ever do.
func (l *told) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// checkFaults fails the test for what no server may ever do. The end of every lab calls it.
func (l *told) checkFaults(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.faults {
		t.Error(f)
	}
}

// checkGivenOnce fails the test if an address was given to two clients, or fewer than n clients have one.
func (l *told) checkGivenOnce(t testing.TB, n int) {
	t.Helper()
	l.checkFaults(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.now) < n || len(l.holder) != len(l.now) {
		t.Errorf("%d clients have %d addresses, want %d of each", len(l.now), len(l.holder), n)
	}
}

// checkNoNak fails the test if any client lost its address to a NAK.
func (l *told) checkNoNak(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, n := range l.naks {
		t.Errorf("client %v was NAKed %d times", c.mac, n)
	}
}

// onRecord returns an error that names the promises which a lease file does not know.
func (l *told) onRecord(f *leaseFile) error {
	var lost []string
	for _, p := range l.promises() {
		if err := p.onRecord(f); err != nil {
			lost = append(lost, err.Error())
		}
	}
	if lost == nil {
		return nil
	}
	return fmt.Errorf("%d of %d promises are not on record, such as: %s", len(lost), len(l.promises()), lost[0])
}

// onRecord returns an error if a lease file does not know of the promise.
func (p promise) onRecord(f *leaseFile) error {
	r := f.record(p.addr)
	if r.state != "active" || r.hw != p.mac || r.ends.Before(p.end) {
		return fmt.Errorf("%s has %v until %v, but the record is %s %s until %v", p.mac, p.addr, p.end, r.state, r.hw, r.ends)
	}
	return nil
}

func TestTold(t *testing.T) {
	var l told
	a, b := &player{mac: macs(1, 1, "")[0]}, &player{mac: macs(1, 2, "")[0]}
	addr, now := netip.MustParseAddr("10.0.10.10"), time.Unix(1700000000, 500).UTC()
	record := func(mac string, end time.Duration) *leaseFile {
		r := leaseRecord{addr: addr, state: "active", hw: mac, ends: now.Truncate(time.Second).Add(end)}
		return &leaseFile{leases: map[netip.Addr]leaseRecord{addr: r}}
	}
	l.ack(a, addr, now, time.Hour)
	for _, c := range []struct {
		name string
		file *leaseFile
		ok   bool
	}{
		{"as told", record(a.mac.String(), time.Hour), true},
		{"later than told", record(a.mac.String(), 2*time.Hour), true},
		{"a second short", record(a.mac.String(), time.Hour-time.Second), false},
		{"another client's", record(b.mac.String(), time.Hour), false},
		{"not on record", &leaseFile{}, false},
	} {
		if err := l.onRecord(c.file); (err == nil) != c.ok {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	l.ack(b, addr, now.Add(2*time.Hour), time.Hour) // a's time is over
	if len(l.faults) != 0 {
		t.Errorf("given again after its end: got %v", l.faults)
	}
	l.ack(a, addr, now.Add(2*time.Hour), time.Hour)
	if len(l.faults) != 1 {
		t.Errorf("given to two: got %v", l.faults)
	}
}

package dhcp4test

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Promise is one that DHCP, or a pair of servers, makes.
type Promise uint8

// The promises that are looked after while a LAN lives.
const (
	// Once: no address is held by two clients at the same time. A client holds what an DHCPACK gave it, for as long as
	// that said, counted from its request (RFC 2131 4.4.1).
	Once Promise = iota + 1
	// Kept: a client keeps the address it holds; nobody refuses it with DHCPNAK.
	Kept
	// Remembered: what a DHCPACK gave is on record at its server, also after a crash.
	Remembered
	// Agreed: two servers that are at rest say the same of every address.
	Agreed
)

// String returns "held once" and so on, or "Promise(9)" for what has no name.
func (p Promise) String() string {
	switch p {
	case Once:
		return "held once"
	case Kept:
		return "kept"
	case Remembered:
		return "remembered"
	case Agreed:
		return "agreed"
	}
	return "Promise(" + strconv.Itoa(int(p)) + ")"
}

// Breach is a promise that was broken. It is an error.
type Breach struct {
	Promise Promise
	At      time.Time
	Addr    netip.Addr
	Text    string // who and how
}

// Error returns a sentence with all of it.
func (b Breach) Error() string {
	return fmt.Sprintf("dhcp4test: %v is not %v: %s (at %s)", b.Addr, b.Promise, b.Text, b.At.UTC().Format(time.DateTime))
}

// hold is an address as its client sees it.
type hold struct {
	client *Client
	server netip.Addr // that gave it
	until  time.Time
	lost   bool // with the ledger of that server
}

// ledger is what all clients of a LAN were told, and what was wrong with it.
type ledger struct {
	mu       sync.Mutex
	holds    map[netip.Addr]hold
	breaches []Breach
	acks     int
}

// maxBreaches bounds what is kept; the first are what matters.
const maxBreaches = 100

func (g *ledger) breach(p Promise, a netip.Addr, format string, args ...any) {
	if len(g.breaches) < maxBreaches {
		g.breaches = append(g.breaches, Breach{Promise: p, At: time.Now(), Addr: a, Text: fmt.Sprintf(format, args...)})
	}
}

// acked notes a DHCPACK that a client received.
func (g *ledger) acked(c *Client, l Lease) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.acks++
	if g.holds == nil {
		g.holds = make(map[netip.Addr]hold)
	}
	if h, ok := g.holds[l.Addr]; ok && h.client != c && time.Now().Before(h.until) {
		g.breach(Once, l.Addr, "%v gives it to client %v, while client %v has it from %v until %s",
			l.Server, c, h.client, h.server, h.until.UTC().Format(time.DateTime))
	}
	g.holds[l.Addr] = hold{client: c, server: l.Server, until: l.Expiry}
}

// dropped notes that a client gives up what it had.
func (g *ledger) dropped(c *Client, a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holds[a].client == c {
		delete(g.holds, a)
	}
}

// refused notes a DHCPNAK for an address that the client holds.
func (g *ledger) refused(c *Client, l Lease, server netip.Addr, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h := g.holds[l.Addr]; h.client == c && time.Now().Before(h.until) {
		g.breach(Kept, l.Addr, "%v refuses it to client %v, who has it from %v until %s: %q",
			server, c, h.server, h.until.UTC().Format(time.DateTime), why)
	}
}

// remembered compares what a server gave with what it has on record. from is the server, or the zero Addr for any; slack is
// how much earlier a lease may end on record, because a clock is behind.
func (g *ledger) remembered(from netip.Addr, who string, has func(netip.Addr) bool, book func(netip.Addr) lease.Lease, slack time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for a, h := range g.holds {
		if !has(a) || from.IsValid() && (h.server != from || h.lost) || !time.Now().Before(h.until) {
			continue
		}
		l := book(a)
		switch {
		case l.Status != lease.Active || !l.Client.Is(h.client.client()):
			g.breach(Remembered, a, "client %v has it from %v until %s, but %s has it as %v of %v",
				h.client, h.server, h.until.UTC().Format(time.DateTime), who, l.Status, l.Client)
		case l.Expiry.Before(h.until.Add(-time.Second - slack)):
			g.breach(Remembered, a, "client %v has it until %s, but on record of %s it ends at %s",
				h.client, h.until.UTC().Format(time.DateTime), who, l.Expiry.Format(time.DateTime))
		}
	}
}

// excuse forgets what a server gave: it has lost its ledger, and whether it learns all from its partner is another promise.
func (g *ledger) excuse(server netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for a, h := range g.holds {
		if h.server == server {
			h.lost = true
			g.holds[a] = h
		}
	}
}

// Breaches returns the promises that were broken since it was asked last, the first first, at most 100. Who calls it has
// dealt with them: they do not fail the test any more.
func (l *LAN) Breaches() []Breach {
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	b := l.ledger.breaches
	l.ledger.breaches = nil
	return b
}

// Check fails the test for each promise that was broken since Breaches or Check was asked last. The end of the test calls
// it in any case.
func (l *LAN) Check() {
	l.t.Helper()
	for _, b := range l.Breaches() {
		l.t.Error(b)
	}
}

// Held returns how many addresses clients hold now by DHCPACKs that have not ended.
func (l *LAN) Held() int {
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	n := 0
	for _, h := range l.ledger.holds {
		if time.Now().Before(h.until) {
			n++
		}
	}
	return n
}

// Acks returns how many DHCPACKs clients have received.
func (l *LAN) Acks() int {
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	return l.ledger.acks
}

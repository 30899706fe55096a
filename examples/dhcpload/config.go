package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// config is what load is to do.
type config struct {
	Servers []netip.AddrPort // each message goes to all of them
	Relays  []netip.Addr     // giaddr: client n is behind relay n modulo their number
	Port    uint16           // of the relays

	Clients int  // how many there are
	First   uint // number of the first

	Window int           // exchanges under way at most
	Rate   float64       // exchanges that begin each second; 0 is one whenever another has ended
	Ramp   time.Duration // how long Rate takes to grow from 0
	For    time.Duration // how long exchanges are begun; 0 is without end
	Count  int           // how many are begun; 0 is without end
	Renew  int           // percent of them that are renewals, as far as there are leases to renew

	Timeout   time.Duration
	ClientID  bool // option 61
	RelayInfo bool // option 82
	Verify    bool
	Quiet     bool
	Trace     io.Writer // a line for each exchange that is over; nil is none
}

// maxClients leaves eight bits of xid to tell the exchanges of a client apart.
const maxClients = 1 << 24

// validate returns an error that names the first field that is wrong.
func (c config) validate() error {
	switch {
	case len(c.Servers) == 0:
		return errors.New("no server is named")
	case len(c.Relays) == 0:
		return errors.New("-relays names none: answers would find no way back")
	case c.Port == 0:
		return errors.New("-port is 0")
	case c.Clients < 1 || c.Clients > maxClients:
		return fmt.Errorf("-clients is %d: want 1 to %d", c.Clients, maxClients)
	case c.First > 1<<32-1-uint(c.Clients):
		return fmt.Errorf("-first is %d: the last number would not fit 32 bits", c.First)
	case c.Window < 1:
		return fmt.Errorf("-window is %d: want 1 or more", c.Window)
	case c.Rate < 0:
		return fmt.Errorf("-rate is %v: want more than 0, or 0 for as fast as answers come", c.Rate)
	case c.Ramp < 0 || c.Ramp > 0 && c.Rate == 0:
		return fmt.Errorf("-ramp is %v: want 0 or more, and a -rate to come to", c.Ramp)
	case c.For < 0 || c.Count < 0 || c.For == 0 && c.Count == 0:
		return fmt.Errorf("-for is %v and -count %d: one must say when to end", c.For, c.Count)
	case c.Renew < 0 || c.Renew > 100:
		return fmt.Errorf("-renew is %d: want 0 to 100 percent", c.Renew)
	case c.Timeout <= 0:
		return fmt.Errorf("-timeout is %v: want more than 0", c.Timeout)
	}
	for _, a := range append(c.Relays[:len(c.Relays):len(c.Relays)], addrsOf(c.Servers)...) {
		if !a.Is4() {
			return fmt.Errorf("%v is not an IPv4 address", a)
		}
	}
	return nil
}

func addrsOf(aps []netip.AddrPort) []netip.Addr {
	addrs := make([]netip.Addr, len(aps))
	for i, ap := range aps {
		addrs[i] = ap.Addr()
	}
	return addrs
}

// due returns how many exchanges an open loop has begun when it is open for t: Rate grows with t until Ramp is over.
func (c config) due(t time.Duration) int {
	full := t
	begun := 0.0
	if c.Ramp > 0 {
		r := min(t, c.Ramp)
		begun = c.Rate * r.Seconds() * r.Seconds() / c.Ramp.Seconds() / 2
		full = t - r
	}
	return int(begun + c.Rate*full.Seconds())
}

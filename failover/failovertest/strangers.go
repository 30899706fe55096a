package failovertest

import (
	"github.com/tandem-dhcp/tandem/lease"
	"time"
)

// What a world has from its beginning: servers that are configured differently, and clients that are not as they should be.

// differ lets the configurations of the two differ in what the protocol lets differ, and in what it does not.
func (m *Model) differ() {
	if m.kinds&Differing == 0 {
		return
	}
	s := m.servers[1]
	s.cfg.MaxSecs = one[uint16](m, 0, 3, 10)
	s.cfg.ReceiveTimer = m.receive * time.Duration(1+m.rng.IntN(4))
	s.cfg.MaxUnacked = one(m, 1, 5, 50)
	s.cfg.SafePeriod, s.cfg.FullLeases, s.cfg.EagerBalance = 0, m.chance(50), m.chance(50)
	s.term = m.lease / 2
	if m.chance(50) {
		m.unequal = true
		m.servers[m.rng.IntN(2)].addrs = m.ranges(max(m.cfg.Addresses-1-m.rng.IntN(4), 2))
	}
}

// twins makes strangers of some clients.
func (m *Model) twins() {
	if m.kinds&Strangers == 0 {
		return
	}
	for i, c := range m.clients {
		switch m.rng.IntN(6) {
		case 0: // the twin of the one before
			if i > 0 {
				c.name = m.clients[i-1].name
				c.twin, m.clients[i-1].twin = true, true
			}
		case 1:
			c.fickle = true
		case 2:
			c.picky = true
		}
	}
}

// rename gives the client another name: it boots another system, or draws a random address again.
func (c *client) rename() {
	hw := []byte{2, 1, byte(c.m.rng.Uint32()), byte(c.m.rng.Uint32()), byte(c.m.rng.Uint32()), byte(c.id)}
	switch c.m.rng.IntN(3) {
	case 0:
		c.name = lease.Client{HW: lease.MakeHWAddr(1, hw)}
	case 1:
		c.name.ID = "\x01" + string(hw)
	case 2:
		c.name.ID = ""
	}
	c.m.tracef("client %d is %v now", c.id, c.name)
}

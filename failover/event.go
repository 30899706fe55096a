package failover

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Event is something that happens to a Machine: a Started, Tick, Connected, Disconnected, Received, Changed or Order. There
// are no others.
type Event interface{ event() }

// Started is the first event of a Machine.
type Started struct{}

// Tick says that the Machine's Deadline has come.
type Tick struct{}

// Session is what CONNECT and CONNECTACK have settled for one connection.
type Session struct {
	MaxUnacked   int           // how many unacknowledged updates the partner takes
	ReceiveTimer time.Duration // after this much silence the partner gives up
	VendorClass  string        // what the partner says it is
	MCLT         time.Duration // what the primary says; zero where this server is the primary
	HBA          pool.HBA      // likewise
	Watched      bool          // the connection fails if the partner takes no octets for Config.ProbeTimeout
}

// isISC reports whether the partner must be taken for an ISC dhcpd, as everything is that does not say that it is another
// Tandem.
func (s Session) isISC() bool { return !strings.HasPrefix(s.VendorClass, vendorPrefix) }

// Connected says that a connection is up, after CONNECT and an accepting CONNECTACK.
type Connected struct{ Session Session }

// Disconnected says that the connection is gone.
type Disconnected struct{ Cause error }

// Received is a message from the partner, after the Connected of its connection.
type Received struct{ Frame *Frame }

// Changed asks for a change of one lease that this server wants to make, because of a client: Change.New is ACTIVE for
// a grant or a renewal, RELEASED or ABANDONED. Of a grant, New.Expiry is what the client would be told and
// New.SentPotentialExpiry what it would be told if there were no partner; both are bounded here, nothing else is
// looked at but Status, Client, LastTransaction and the texts. Effects.Refused says if the change may not be made.
type Changed struct{ Change lease.Change }

func (Started) event()      {}
func (Tick) event()         {}
func (Connected) event()    {}
func (Disconnected) event() {}
func (Received) event()     {}
func (Changed) event()      {}

// Effects are what must be done after a Step, in this order, and all of one field before the next.
type Effects struct {
	Save    lease.Batch // 1. make durable; if that fails call Settle with the error, do nothing of the rest
	Send    []*Frame    // 2. then tell the partner
	Close   error       // 3. then drop the connection, for this reason
	Refused error       // why the Changed or Order of this Step may not be; nothing is done for it then
	Fence   bool        // ask whether the partner is down for sure; if so, OrderPartnerDown
	Notes   []Note      // for the log

	Conflicts   []Conflict   // what both partners had changed, unseen by the other
	Differences []Difference // between the two configurations, as a partner has told them
}

// Level says how much a Note matters.
type Level uint8

// The levels, as those of zap have them.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Note is a line for the log, in the words of ISC dhcpd where it has some.
type Note struct {
	Level Level
	Text  string
}

// collector puts the effects of Steps together: the changes of one address become one Change.
type collector struct {
	Effects
	indexed bool               // not while there are few changes, as in nearly all Steps
	index   map[netip.Addr]int // of Save.Changes
}

// fewChanges is how many changes are looked through one by one.
const fewChanges = 8

func newCollector() *collector { return new(collector) }

func (c *collector) change(ch lease.Change) {
	if i := c.find(ch.New.Addr); i >= 0 {
		c.Save.Changes[i].New = ch.New
		return
	}
	if c.indexed {
		c.index[ch.New.Addr] = len(c.Save.Changes)
	}
	c.Save.Changes = append(c.Save.Changes, ch)
}

// find returns where the Change of an address is, or -1.
func (c *collector) find(a netip.Addr) int {
	changes := c.Save.Changes
	if !c.indexed && len(changes) > fewChanges {
		if c.index == nil {
			c.index = make(map[netip.Addr]int, 2*len(changes))
		}
		c.indexed = true
		for i := range changes {
			c.index[changes[i].New.Addr] = i
		}
	}
	if c.indexed {
		if i, ok := c.index[a]; ok {
			return i
		}
		return -1
	}
	for i := range changes {
		if changes[i].New.Addr == a {
			return i
		}
	}
	return -1
}

func (c *collector) peer(p lease.Peer) {
	for i := range c.Save.Peers {
		if c.Save.Peers[i].Name == p.Name {
			c.Save.Peers[i] = p
			return
		}
	}
	c.Save.Peers = append(c.Save.Peers, p)
}

// reset forgets all, and keeps the memory for the next round.
func (c *collector) reset() {
	if len(c.Save.Changes) > maxStaged {
		*c = collector{}
		return
	}
	clear(c.Save.Changes)
	clear(c.Send)
	clear(c.index)
	room := Effects{Save: lease.Batch{Changes: c.Save.Changes[:0]}, Send: c.Send[:0]}
	*c = collector{Effects: room, index: c.index}
}

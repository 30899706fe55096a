package failover

import (
	"net/netip"

	"github.com/tandem-dhcp/tandem/lease"
)

// Conflict is an address of which both partners knew something the other did not: both gave it to a client, or changed
// it, while they did not hear each other.
type Conflict struct {
	Addr   netip.Addr
	Ours   lease.Lease // what was on record here
	Theirs Binding     // what the partner says
	// Accepted says that the partner's word counts from now on, else ours does.
	Accepted bool
}

// Doubled reports whether two clients held the address at the same time.
func (c Conflict) Doubled() bool {
	return c.Ours.Status == lease.Active && c.Theirs.Status == lease.Active && !c.Ours.Client.Is(c.Theirs.Client)
}

// conflict reports an update of the partner on a binding that changed here as well, and how it was decided. Updates
// that cross in NORMAL are everyday; what is news is what happened unseen.
func (m *Machine) conflict(l lease.Lease, b Binding, accepted bool) {
	c := Conflict{Addr: l.Addr, Ours: l, Theirs: b, Accepted: accepted}
	told := m.queue.entries[l.Addr]
	unseen := l.Unacked && told != nil && told.changed <= m.unseen
	if !c.Doubled() && (!unseen || l.Status.Available() || b.Status.Available()) {
		return
	}
	level, who := Info, "ours"
	if accepted {
		who = "the peer's"
	}
	if c.Doubled() {
		level = Error
	}
	m.note(level, "Lease conflict at %v: %v of %v here, %v of %v at the peer: %s counts", l.Addr, l.Status, l.Client,
		b.Status, b.Client, who)
	m.out.Conflicts = append(m.out.Conflicts, c)
}

package failover

import (
	"fmt"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// A server that lost its ledger may have renewed a lease without a word to its partner that arrived, up to MCLT past what
// the partner knew of, or past the moment before it lost the record. The partner sees the lease end earlier. RECOVER-WAIT
// does not help: it keeps this server from giving the address to another, and not the partner; and what was promised may
// be MCLT past a time that is still to come. So in RECOVER such a server takes it that it promised all it
// was allowed to, and tells the partner so. The price is that an address whose client has gone comes back that much later.

// mayHavePromised reports whether this server may have promised the address for longer than the partner's update b of it
// says, and has no record l of that.
func (m *Machine) mayHavePromised(now time.Time, l lease.Lease, b Binding) bool {
	if !m.blank || m.stored() != Recover || !l.IsVirgin() || b.Status.Available() {
		return false
	}
	return m.forgotten(b).After(later(now, b.Expiry))
}

// forgotten is the latest end that this server can have promised for what the partner tells in b, and have lost.
func (m *Machine) forgotten(b Binding) time.Time {
	lost := m.lost
	if m.partner() == PartnerDown && !m.partnerSays.IsZero() {
		lost = earlier(lost, m.partnerSays) // since then it has not served, as the partner knows
	}
	known := later(b.PotentialExpiry, b.Expiry)
	return earlier(later(known, lost).Add(m.mclt()), lease.FromUnix(maxTime))
}

// presume puts the lease on record as if this server had promised all that it may have. An end of the lease is refused. Of
// an address whose client the partner does not tell nobody can be the holder on record: it is out of use for as long.
func (m *Machine) presume(now time.Time, l lease.Lease, b Binding) *refusal {
	held, over := b.Status, b.Status.Ending()
	if b.Status = lease.Active; b.Client.IsZero() {
		b.Status = lease.Abandoned
	}
	n := m.merge(now, l, b)
	n.Expiry = m.forgotten(b)
	n.SentPotentialExpiry, n.Unacked, n.Rewind = n.Expiry, true, held
	m.set(n)
	if over {
		return &refusal{RejectOutdated, fmt.Sprintf("%v: the client may hold it until %v", l.Addr, n.Expiry)}
	}
	return nil
}

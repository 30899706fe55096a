package failover

import (
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// hba is the hash bucket assignment in force: on a secondary that of this connection.
func (m *Machine) hba() pool.HBA {
	if m.cfg.Role == Primary {
		return *m.cfg.HBA
	}
	if m.session == nil {
		return pool.HBA{}
	}
	return m.session.HBA
}

// balance gives the partner what this server has too much of, in every pool, and returns how many addresses that
// were. ask says whether to ask the partner for some if this server is short, which only the timer does: else two
// that are both short would ask each other without end.
func (m *Machine) balance(now time.Time, ask bool) (given int) {
	primary := m.cfg.Role == Primary
	wanted := m.hba().WantedByPartner(primary)
	short, more := false, false
	for _, p := range m.cfg.Pools {
		c := p.Counts()
		f := m.cfg.Balance.Give(c.Free, c.Backup, primary)
		m.note(Info, "balancing pool %s total %d free %d backup %d lts %d max-own (+/-)%d",
			p.Name(), p.Size(), c.Free, c.Backup, f.Surplus, f.Hold)
		n := 0
		for _, l := range p.Surplus(m.cfg.Balance, primary, wanted) {
			if m.get(l.Addr) != l {
				continue // it has become something else in this round
			}
			l.Status, l.Since, l.SentPotentialExpiry, l.Unacked = m.cfg.Role.partners(), now, now, true
			l.HostName = ""
			m.set(l)
			n++
		}
		given += n
		more = more || n >= pool.MaxSurplus
		short = short || f.Short()
		m.note(Info, "balanced pool %s gave %d", p.Name(), n)
	}
	if ask && short {
		m.send(now, &PoolRequest{})
	}
	m.balanced, m.balanceAt = now, time.Time{}
	for _, p := range m.cfg.Pools {
		m.plan(now, p)
	}
	if more {
		m.balanceAt = now
	}
	return given
}

// plan moves the next balance to where p makes it worth a look, if that is earlier than planned. The secondary looks a
// little later than the primary, lest both do at once.
func (m *Machine) plan(now time.Time, p *pool.Pool) {
	at := m.cfg.Balance.Next(now, m.balanced, p.Age(now, lease.Free), p.Age(now, lease.Backup), m.cfg.Role == Primary)
	if m.cfg.Role == Secondary {
		at = at.Add(pool.BalanceJitter / 2)
	}
	if m.balanceAt.IsZero() || at.Before(m.balanceAt) {
		m.balanceAt = at
	}
}

// poolRequest answers POOLREQ: the number first, then the updates (draft 7.4, 7.5).
func (m *Machine) poolRequest(now time.Time, xid uint32) {
	given := 0
	if m.State() == Normal {
		given = m.balance(now, false)
	}
	m.reply(now, xid, &PoolResponse{Transferred: uint32(given)})
}

// wantsBackup reports whether the secondary gets l, which becomes available: see pool.Balance.Affinity.
func (m *Machine) wantsBackup(l lease.Lease) bool {
	if m.cfg.Role != Primary || m.State() != Normal {
		return false
	}
	c := m.cfg.pool(l.Addr).Counts()
	return m.cfg.Balance.Affinity(c.Free, c.Backup, l, m.hba().WantedByPartner(true))
}

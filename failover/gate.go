package failover

import (
	"fmt"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Status is what an Endpoint is doing, at one moment.
type Status struct {
	Name         string
	Role         Role
	State        State     // Startup while that lasts
	Since        time.Time // of the stored state
	Partner      State     // as last heard; zero if never
	PartnerSince time.Time
	MCLT         time.Duration
	Connected    bool
	Unacked      int // updates waiting for the partner or for its answer

	hba pool.HBA
}

// status is the Machine's part of it.
func (m *Machine) status() Status {
	return Status{
		Name: m.cfg.Name, Role: m.cfg.Role,
		State: m.State(), Since: m.peer.Since,
		Partner: m.partner(), PartnerSince: m.peer.PartnerSince,
		MCLT: m.mclt(), Connected: m.session != nil,
		Unacked: len(m.queue.entries),
		hba:     m.hba(),
	}
}

// answers returns nil if a server in this status may answer clients at all.
func (s Status) answers() error {
	if services[s.State] == silent {
		return fmt.Errorf("%w (%v)", ErrNotServing, s.State)
	}
	return nil
}

// serves returns nil if a DHCPDISCOVER is this server's to answer (RFC 3074). partnerHasSome says whether the partner
// has addresses to give at all: if it has none, nobody else will answer.
func (s Status) serves(maxSecs uint16, stid []byte, secs uint16, partnerHasSome func() bool) error {
	if err := s.answers(); err != nil {
		return err
	}
	if services[s.State] != balanced || maxSecs == 0 || secs > maxSecs {
		return nil
	}
	if s.hba.Primary(pool.Bucket(stid)) == (s.Role == Primary) || !partnerHasSome() {
		return nil
	}
	return fmt.Errorf("%w %s", ErrBalanced, s.Name)
}

// Answers returns nil if this server may answer clients now, or ErrNotServing.
func (e *Endpoint) Answers() error { return e.status.Load().answers() }

// Serves returns nil if this server answers a DHCPDISCOVER whose client identifier, or else hardware address, is stid
// and which counts secs seconds; or ErrBalanced, if that is the partner's, or ErrNotServing.
func (e *Endpoint) Serves(stid []byte, secs uint16) error {
	return e.status.Load().serves(e.cfg.MaxSecs, stid, secs, func() bool {
		for _, p := range e.cfg.Pools {
			c := p.Counts()
			if e.cfg.Role == Primary && c.Backup > 0 || e.cfg.Role == Secondary && c.Free > 0 {
				return true
			}
		}
		return false
	})
}

// Mine reports whether this server may give l to a client that it is not leased to.
func (e *Endpoint) Mine(now time.Time, l lease.Lease) bool {
	s := e.status.Load()
	return l.Status.Available() && mayGrant(s.Role, services[s.State], s.Since, s.MCLT, now, l, lease.Client{}) == nil
}

// Limit returns until when client c may be told that it may use l, want being what it would be told without a
// partner; or an error if l may not be given to c: ErrNotServing, ErrTaken, ErrNotMine, ErrInTransition.
func (e *Endpoint) Limit(now time.Time, l lease.Lease, c lease.Client, want time.Time) (time.Time, error) {
	s := e.status.Load()
	if err := mayGrant(s.Role, services[s.State], s.Since, s.MCLT, now, l, c); err != nil {
		return time.Time{}, err
	}
	return LatestExpiry(lease.Second(now), want, l, c, s.MCLT), nil
}

// Status returns what the endpoint is doing now.
func (e *Endpoint) Status() Status { return *e.status.Load() }

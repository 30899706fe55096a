package failover

import (
	"errors"
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

	hba       pool.HBA
	leaving   bool      // a shutdown was ordered: nobody is answered
	downSince time.Time // of the partner, in PARTNER-DOWN
}

// service is what the state lets this server do.
func (s Status) service() service {
	if s.leaving {
		return silent
	}
	return services[s.State]
}

// Status returns what the Machine is doing now. What has been decided since the last Settle is in it, so a driver shows
// it to others only after that.
func (m *Machine) Status() Status {
	return Status{
		Name: m.cfg.Name, Role: m.cfg.Role,
		State: m.State(), Since: m.peer.Since,
		Partner: m.partner(), PartnerSince: m.peer.PartnerSince,
		MCLT: m.mclt(), Connected: m.session != nil,
		Unacked: len(m.queue.entries),
		hba:     m.hba(), leaving: m.leaving, downSince: m.downSince(),
	}
}

// Answers returns nil if a server in this status may answer clients, or ErrNotServing.
func (s Status) Answers() error {
	if s.service() == silent {
		return fmt.Errorf("%w (%v)", ErrNotServing, s.State)
	}
	return nil
}

// Serves returns nil if a server in this status, which has the Config, answers a DHCPDISCOVER whose client identifier,
// or else hardware address, is stid and which counts secs seconds (RFC 3074); or ErrBalanced, if that is the partner's,
// or ErrNotServing.
func (s Status) Serves(c Config, stid []byte, secs uint16) error {
	if err := s.Answers(); err != nil {
		return err
	}
	if s.service() != balanced || c.MaxSecs == 0 || secs > c.MaxSecs {
		return nil
	}
	if s.hba.Primary(pool.Bucket(stid)) == (s.Role == Primary) {
		return nil
	}
	for _, p := range c.Pools {
		if n := p.Counts(); c.Role == Primary && n.Backup > 0 || c.Role == Secondary && n.Free > 0 {
			return fmt.Errorf("%w %s", ErrBalanced, s.Name)
		}
	}
	return nil // the partner has no address to give: nobody else will answer
}

// Mine reports whether a server in this status may give l to a client that it is not leased to.
func (s Status) Mine(now time.Time, l lease.Lease) bool {
	return l.Status.Available() && mayGrant(s.Role, s.service(), s.downSince, s.MCLT, now, l, lease.Client{}) == nil
}

// Limit returns until when a server in this status, which has the Config, may tell client c that it may use l, want
// being what it would tell without a partner; or an error if l may not be given to c: ErrNotServing, ErrTaken,
// ErrNotMine, ErrInTransition.
func (s Status) Limit(cfg Config, now time.Time, l lease.Lease, c lease.Client, want time.Time) (time.Time, error) {
	if err := mayGrant(s.Role, s.service(), s.downSince, s.MCLT, now, l, c); err != nil {
		return time.Time{}, err
	}
	return cfg.latest(s.service(), lease.Second(now), want, l, c, s.MCLT), nil
}

// Answers is Status.Answers, now.
func (e *Endpoint) Answers() error { return e.status.Load().Answers() }

// Serves is Status.Serves, now. A client that counts no secs and yet asks for long is answered as if it did: see
// Config.TrustSecs.
func (e *Endpoint) Serves(stid []byte, secs uint16) error {
	err := e.status.Load().Serves(e.cfg, stid, secs)
	if secs != 0 || e.cfg.TrustSecs || !errors.Is(err, ErrBalanced) {
		return err
	}
	if e.patience.waited(e.now(), stid) > time.Duration(e.cfg.MaxSecs)*time.Second {
		return nil
	}
	return err
}

// Mine is Status.Mine, now.
func (e *Endpoint) Mine(now time.Time, l lease.Lease) bool { return e.status.Load().Mine(now, l) }

// Limit is Status.Limit, now.
func (e *Endpoint) Limit(now time.Time, l lease.Lease, c lease.Client, want time.Time) (time.Time, error) {
	return e.status.Load().Limit(e.cfg, now, l, c, want)
}

// Status returns what the endpoint is doing now.
func (e *Endpoint) Status() Status { return *e.status.Load() }

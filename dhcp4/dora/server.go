package dora

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

const (
	// maxDecisions is how often a DHCPREQUEST is decided anew because the lease changed meanwhile, before silence.
	maxDecisions = 4
	// defaultMaxPings leaves half of the workers of a dhcp4.Server to those that do not wait.
	defaultMaxPings = 128
	// maxChoices is how many addresses are tried for one DHCPDISCOVER: others may take them, or answer a ping.
	maxChoices = 16
)

// Server answers DHCP messages from a Book of leases. It is a dhcp4.Starter, and may be used by many goroutines.
//
// ServeDHCP waits for Gate.Commit before a DHCPACK, and for a ping before some DHCPOFFERs, up to Settings.PingTimeout:
// a waiting
// handler must not hold up others. Config.MaxPings bounds how many wait for pings at a time.
type Server struct {
	*topology
	book    *lease.Book
	address netip.Addr          // Config.Address
	ids     map[netip.Addr]bool // the configured server identifiers
	offers  *offers
	prober  *prober // nil: no pings
	log     *zap.Logger
	counts  counters

	submitters []Submitter // the gates that are
	idle       spares[*begun]
}

var _ dhcp4.Starter = (*Server)(nil)

// New returns a Server for a configuration, or the error of cfg.Validate. The pools of cfg must observe the Book, and
// the Book know of its scopes (Config.ScopeOf). A nil logger is silent.
func New(cfg Config, book *lease.Book, log *zap.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if book == nil {
		return nil, errors.New("dora: New: the Book is nil")
	}
	if log == nil {
		log = zap.NewNop()
	}
	s := &Server{
		topology: newTopology(cfg),
		book:     book,
		address:  cfg.Address,
		offers:   newOffers(maxOffers),
		log:      log,
	}
	s.ids, s.submitters = s.identifiers(), s.submittersOf()
	if cfg.Pinger != nil {
		s.prober = newProber(cfg.Pinger, first(cfg.MaxPings, defaultMaxPings))
	}
	return s, nil
}

// ServeDHCP implements dhcp4.Handler. An error says that a change could not be made durable; its client gets no answer.
func (s *Server) ServeDHCP(ctx context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
	if req.OpCode != dhcp4.OpcodeBootRequest {
		return nil, nil
	}
	q := s.query(req, timeOf(req), s.book)
	reply, err := s.serve(ctx, &q)
	return s.concluded(&q, reply, err)
}

func (s *Server) serve(ctx context.Context, q *query) (*dhcp4.Message, error) {
	if q.client.IsZero() || len(q.client.ID) > maxText {
		// RFC 2131 4.2: no client is without a name, and RFC 2132 9.14 does not split one.
		s.about(zap.InfoLevel, q, "ignored (no usable identifier)")
		return nil, nil
	}
	switch q.kind {
	case dhcp4.MessageTypeDiscover, dhcp4.MessageTypeNone:
		if q.place.net == nil {
			break
		}
		if q.kind == dhcp4.MessageTypeNone {
			return s.bootp(ctx, q)
		}
		return s.discover(ctx, q)
	case dhcp4.MessageTypeRequest:
		return s.request(ctx, q)
	case dhcp4.MessageTypeDecline:
		return nil, s.decline(ctx, q)
	case dhcp4.MessageTypeRelease:
		return nil, s.release(ctx, q)
	case dhcp4.MessageTypeInform:
		return s.inform(q), nil
	default:
		s.about(zap.InfoLevel, q, "unknown packet type")
		return nil, nil
	}
	unknown := "unknown network segment"
	if q.kind == dhcp4.MessageTypeNone {
		unknown = "network unknown"
	}
	s.about(zap.InfoLevel, q, unknown)
	return nil, nil
}

// candidate is an address that a client could get, with what holds for the two.
type candidate struct {
	lease    lease.Lease
	share    *share
	subnet   *subnet
	settings *Settings
	facts    facts
	counted  time.Time // from when the time is counted: not before now, a whole second
	until    time.Time // the end that the gate allows
	want     time.Time // the end that the configuration would give
}

// consider looks at one address for the client. It has no share if the address is in no pool of the network.
func (s *Server) consider(q *query, n *network, l lease.Lease) candidate {
	c := candidate{lease: l, share: n.shareOf(l.Addr), subnet: s.subnetOf(l.Addr)}
	own := l.Client.Is(q.client)
	c.facts = facts{
		status:   l.Status,
		ended:    !l.Expiry.After(q.now),
		own:      own,
		offered:  s.offers.holder(q.now, q.key(n), l.Addr),
		reserved: s.fixed[l.Addr] || !own && l.Flags&lease.Reserved != 0,
	}
	if c.share == nil {
		return c
	}
	c.settings = within(c.share.settingsAt(c.subnet), q.classes, plainHost(q.hosts))
	c.facts.permitted = q.permitted(c.share)
	c.facts.mine = c.share.gate.Mine(q.now, l)
	c.counted = roundUp(q.now)
	c.want = lease.Never // BOOTP knows no end
	if q.kind != dhcp4.MessageTypeNone {
		wish, asked := q.IPAddressLeaseTime()
		c.want = endOf(c.counted, c.settings.leaseTime(wish, asked))
	}
	c.until, c.facts.limit = c.share.gate.Limit(c.counted, l, q.client, c.want)
	if q.kind == dhcp4.MessageTypeNone {
		c.until = c.want
	}
	if c.facts.limit == nil && !c.until.After(c.counted) {
		c.facts.limit = fmt.Errorf("lease may not last beyond %v", c.until)
	}
	return c
}

// cached reports whether a renewal is answered with what is left of the lease, and nothing written (Settings.
// CacheThreshold): the lease must be young, and the same name on it. Only a client that says it uses the address is
// answered so: another may have given it back to the partner, whose word is on its way.
func (c *candidate) cached(q *query) bool {
	l := c.lease
	if !isSet(q.ClientIPAddr) || l.Status != lease.Active || !c.facts.own || l.Client != q.client || l.Flags&lease.BOOTP != 0 {
		return false
	}
	if q.host != "" && q.host != l.HostName {
		return false
	}
	return c.settings.fresh(q.now, c.given(), l.Expiry) && l.Expiry.Sub(q.now) >= time.Second
}

// given is when the lease was given last. Since is when it was given first.
func (c *candidate) given() time.Time { return first(c.lease.LastTransaction, c.lease.Since) }

// refusal is why this client is not served at all, or "".
func (q *query) refusal(st *Settings) string {
	switch {
	case !st.AllowUnknown.or(true) && !q.known():
		return "unknown client"
	case !st.AllowBootp.or(true) && q.kind == dhcp4.MessageTypeNone:
		return "bootp disallowed"
	case !st.AllowBooting.or(true):
		return "booting disallowed"
	}
	return ""
}

// fixedFor returns the address that is reserved for the client in a network, and its host, unless somebody else still
// holds it. The address is invalid if there is none.
func (s *Server) fixedFor(q *query, n *network) (netip.Addr, *host) {
	a, h := s.reservation(q.hosts, n)
	if !a.IsValid() {
		return netip.Addr{}, nil
	}
	if l := s.book.Get(a); l.Status == lease.Active && !l.Client.Is(q.client) && q.now.Before(l.Expiry) {
		s.line(zap.ErrorLevel, "Dynamic and static leases present for %v.", a)
		return netip.Addr{}, nil
	}
	return a, h
}

// fixedTerms returns what a client with a reserved address in the network is told: all the time that the configuration
// gives, for no partner and no other client waits for the address. The second result is false if it has none.
func (s *Server) fixedTerms(q *query, n *network) (terms, bool) {
	a, h := s.fixedFor(q, n)
	if !a.IsValid() {
		return terms{}, false
	}
	t := terms{addr: a, subnet: s.subnetOf(a), host: h}
	t.settings = within(t.subnet.settings, q.classes, h)
	wish, asked := q.IPAddressLeaseTime()
	t.until = endOf(roundUp(q.now), t.settings.leaseTime(wish, asked))
	return t, true
}

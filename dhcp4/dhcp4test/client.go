package dhcp4test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// Errors of a Client, for errors.Is.
var (
	// ErrNoAnswer says that nobody answered within the client's Patience.
	ErrNoAnswer = errors.New("no answer")
	// ErrNak says that a server refused, with DHCPNAK.
	ErrNak = errors.New("DHCPNAK")
	// ErrNoLease says that the client has no address for what was asked of it.
	ErrNoLease = errors.New("has no lease")
)

// Times of a client, as RFC 2131 has them.
const (
	defaultPatience = time.Minute
	firstRetry      = 4 * time.Second  // RFC 2131 4.1; then 8, 16, ..
	lastRetry       = 64 * time.Second // .. up to this
	leastRenewal    = time.Minute      // between two tries to renew (RFC 2131 4.4.5)
	offerTime       = 2 * time.Second  // in which Offers collects
)

// Lease is what a client was given.
type Lease struct {
	Addr   netip.Addr
	Server netip.Addr // server identifier of who gave it
	// Renewal (T1), Rebinding (T2) and Expiry count from when the request was sent (RFC 2131 4.4.5).
	Renewal, Rebinding, Expiry time.Time
	Length                     time.Duration // as the DHCPACK said: option 51
	Ack                        *dhcp4.Message
}

// Client is a DHCP client as RFC 2131 has it. Set its fields before it is used. Its methods wait for answers, and are for
// one goroutine; while Live is in charge only Lease and Rest may be called.
type Client struct {
	ID        string // option 61, its type octet first; "" for none
	HostName  string // option 12; "" for none
	Broadcast bool   // it cannot receive unicast before it has an address
	// Prepare, if not nil, adds to each message what else this client sends.
	Prepare func(*dhcp4.Message)
	// Patience is after how long without an answer a method gives up. Zero is a minute: four or five tries.
	Patience time.Duration

	at    *station
	rand  *rand.Rand
	lease guarded
	end   context.CancelFunc // of Live
	done  chan struct{}
}

// NewClient plugs a client into the LAN. Its hardware address is 02:00:00:00:00:01 for the first, and so on.
func (l *LAN) NewClient() *Client {
	l.mu.Lock()
	l.made++
	n := l.made
	l.mu.Unlock()
	return l.NewClientHW(binary.BigEndian.AppendUint32([]byte{2, 0}, uint32(n)))
}

// NewClients plugs n clients into the LAN.
func (l *LAN) NewClients(n int) []*Client {
	all := make([]*Client, n)
	for i := range all {
		all[i] = l.NewClient()
	}
	return all
}

// NewClientHW plugs a client with this Ethernet address into the LAN.
func (l *LAN) NewClientHW(chaddr net.HardwareAddr) *Client {
	l.t.Helper()
	if len(chaddr) != 6 {
		l.t.Fatalf("dhcp4test: NewClientHW: %v has %d octets: want six", chaddr, len(chaddr))
	}
	c := &Client{rand: rand.New(rand.NewPCG(binary.BigEndian.Uint64(append([]byte{0, 0}, chaddr...)), 2))}
	c.at = l.plug("client "+lease.MakeHWAddr(1, chaddr).String(), string(chaddr), dhcp4.ClientPort, netip.Addr{})
	l.atEnd(c.Rest)
	return c
}

func (c *Client) station() *station { return c.at }

// client is the name it has in a server's ledger.
func (c *Client) client() lease.Client {
	return lease.Client{ID: c.ID, HW: lease.MakeHWAddr(1, []byte(c.at.hw))}
}

// String returns the hardware address.
func (c *Client) String() string { return lease.MakeHWAddr(1, []byte(c.at.hw)).String() }

// Move takes the client to another LAN, with what it has.
func (c *Client) Move(to *LAN) {
	was := c.at
	was.setUp(false)
	c.at = to.plug(was.name, was.hw, was.port, was.addr)
}

// Lease returns what the client holds; false if it holds nothing, or its time is over.
func (c *Client) Lease() (Lease, bool) {
	l := c.lease.get()
	return l, l.Addr.IsValid() && time.Now().Before(l.Expiry)
}

// Addr returns the address that the client holds, or the zero Addr.
func (c *Client) Addr() netip.Addr {
	l, ok := c.Lease()
	if !ok {
		return netip.Addr{}
	}
	return l.Addr
}

// Message returns a message of this client: header, option 53 and what the fields say.
func (c *Client) Message(t dhcp4.MessageType) *dhcp4.Message {
	m := &dhcp4.Message{OpCode: dhcp4.OpcodeBootRequest, HWType: dhcp4.HWTypeEthernet, ClientHWAddr: []byte(c.at.hw)}
	binary.BigEndian.PutUint32(m.TransactionID[:], c.rand.Uint32())
	if c.Broadcast {
		m.Flags |= dhcp4.FlagBroadcast
	}
	m.SetMessageType(t)
	if c.ID != "" {
		m.SetOption(dhcp4.OptionClientIdentifier, []byte(c.ID))
	}
	if c.HostName != "" {
		m.SetText(dhcp4.OptionHostName, c.HostName)
	}
	if c.Prepare != nil {
		c.Prepare(m)
	}
	return m
}

// Send sends a message once and waits for nothing: to that server, or to all if the address is not valid.
func (c *Client) Send(m *dhcp4.Message, to netip.Addr) error {
	b, err := m.MarshalBinary()
	if err != nil {
		return fmt.Errorf("dhcp4test: client %v: %w", c, err)
	}
	src := netip.IPv4Unspecified()
	if a := m.ClientIPAddr; a.IsValid() && !a.IsUnspecified() {
		src = a
	}
	if !to.IsValid() {
		to = limitedBroadcast
	}
	c.at.send(frame{
		src: netip.AddrPortFrom(src, dhcp4.ClientPort), dst: netip.AddrPortFrom(to, dhcp4.ServerPort), data: b,
	})
	return nil
}

// Ask sends a message to all, again and again as RFC 2131 4.1 has it, until an answer comes that is for it, and returns
// that. The error is ErrNoAnswer if none came within Patience.
func (c *Client) Ask(m *dhcp4.Message) (*dhcp4.Message, error) {
	a, _, err := c.ask(context.Background(), m, netip.Addr{}, firstRetry, c.patience(), nil)
	return a, err
}

func (c *Client) patience() time.Duration {
	if c.Patience > 0 {
		return c.Patience
	}
	return defaultPatience
}

// ask returns the first answer of one of the types, any if there are none named, and when the message that it answers was
// sent. Each try has a transaction id of its own (RFC 2131 4.1 leaves that to the client), so that a late answer to an
// early try is known as such: a lease counts from the request that was answered.
func (c *Client) ask(ctx context.Context, m *dhcp4.Message, to netip.Addr, retry, patience time.Duration,
	types []dhcp4.MessageType) (*dhcp4.Message, time.Time, error) {
	began := time.Now()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tries := make(map[dhcp4.TransactionID]time.Time)
	for {
		now := time.Now()
		m.NumSeconds = uint16(min(now.Sub(began)/time.Second, 0xffff))
		tries[m.TransactionID] = now
		if err := c.Send(m, to); err != nil {
			return nil, now, err
		}
		again := time.NewTimer(retry + time.Duration(c.rand.Int64N(int64(2*time.Second))) - time.Second)
		a := c.hear(ctx, tries, again.C, limit.C, types)
		again.Stop()
		if a != nil {
			return a, tries[a.TransactionID], nil
		}
		if ctx.Err() != nil {
			return nil, now, ctx.Err()
		}
		if time.Since(began) >= patience {
			return nil, now, fmt.Errorf("dhcp4test: client %v: %w to %v within %v (%d tries)", c, ErrNoAnswer, m.MessageType(), patience, len(tries))
		}
		retry = min(2*retry, lastRetry)
		binary.BigEndian.PutUint32(m.TransactionID[:], c.rand.Uint32())
	}
}

// hear waits for an answer to one of the tries, until one of the timers.
func (c *Client) hear(ctx context.Context, tries map[dhcp4.TransactionID]time.Time, again, limit <-chan time.Time,
	types []dhcp4.MessageType) *dhcp4.Message {
	for {
		select {
		case f := <-c.at.in:
			a := new(dhcp4.Message)
			if a.UnmarshalBinary(f.data) != nil || a.OpCode != dhcp4.OpcodeBootReply || tries[a.TransactionID].IsZero() {
				continue
			}
			if len(types) == 0 || slices.Contains(types, a.MessageType()) {
				return a
			}
		case <-again:
			return nil
		case <-limit:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// Offers sends one DHCPDISCOVER, which says that the client has asked for secs seconds, and returns all offers that come
// within two seconds.
func (c *Client) Offers(secs uint16) ([]*dhcp4.Message, error) {
	m := c.Message(dhcp4.MessageTypeDiscover)
	m.NumSeconds = secs
	if err := c.Send(m, netip.Addr{}); err != nil {
		return nil, err
	}
	tries := map[dhcp4.TransactionID]time.Time{m.TransactionID: time.Now()}
	end := time.NewTimer(offerTime)
	defer end.Stop()
	var all []*dhcp4.Message
	for {
		a := c.hear(context.Background(), tries, nil, end.C, offerTypes)
		if a == nil {
			return all, nil
		}
		all = append(all, a)
	}
}

// Acquire gets an address: DISCOVER, REQUEST what is offered first, and again from the start if that is refused. The
// error is ErrNoAnswer or ErrNak when Patience has ended.
func (c *Client) Acquire() (Lease, error) { return c.acquire(context.Background()) }

func (c *Client) acquire(ctx context.Context) (Lease, error) {
	until := time.Now().Add(c.patience())
	for {
		left := max(time.Until(until), 0)
		offer, _, err := c.ask(ctx, c.Message(dhcp4.MessageTypeDiscover), netip.Addr{}, firstRetry, left, offerTypes)
		if err != nil {
			return Lease{}, err
		}
		server, _ := offer.ServerIdentifier()
		m := c.Message(dhcp4.MessageTypeRequest)
		m.SetAddrs(dhcp4.OptionRequestedIPAddress, offer.YourIPAddr)
		m.SetServerIdentifier(server)
		l, err := c.request(ctx, m, netip.Addr{}, firstRetry, min(4*firstRetry, max(time.Until(until), time.Second)))
		if err == nil && l.Addr != offer.YourIPAddr {
			return l, fmt.Errorf("dhcp4test: client %v: %v offers %v, then gives %v", c, server, offer.YourIPAddr, l.Addr)
		}
		if err == nil || ctx.Err() != nil || !time.Now().Before(until) {
			return l, err
		}
	}
}

var (
	offerTypes   = []dhcp4.MessageType{dhcp4.MessageTypeOffer}
	verdictTypes = []dhcp4.MessageType{dhcp4.MessageTypeAck, dhcp4.MessageTypeNak}
)

// request sends a DHCPREQUEST and takes what it brings.
func (c *Client) request(ctx context.Context, m *dhcp4.Message, to netip.Addr, retry, patience time.Duration) (Lease, error) {
	a, sent, err := c.ask(ctx, m, to, retry, patience, verdictTypes)
	if err != nil {
		return Lease{}, err
	}
	server, _ := a.ServerIdentifier()
	if a.MessageType() == dhcp4.MessageTypeNak {
		if l := c.lease.get(); l.Addr.IsValid() {
			c.at.lan.ledger.refused(c, l, server, a.MessageText())
		}
		c.drop()
		return Lease{}, fmt.Errorf("dhcp4test: client %v: %w of %v: %s", c, ErrNak, server, a.MessageText())
	}
	l := Lease{Addr: a.YourIPAddr, Server: server, Ack: a}
	var ok bool
	if l.Length, ok = a.IPAddressLeaseTime(); !ok {
		return Lease{}, fmt.Errorf("dhcp4test: client %v: DHCPACK of %v without option 51", c, server)
	}
	part := func(code dhcp4.OptionCode, otherwise time.Duration) time.Time {
		d, ok := a.Duration(code)
		if !ok {
			d = otherwise
		}
		return sent.Add(d)
	}
	l.Expiry = sent.Add(l.Length)
	l.Renewal = part(dhcp4.OptionRenewTimeValue, l.Length/2)
	l.Rebinding = part(dhcp4.OptionRebindingTimeValue, l.Length/8*7)
	if old := c.lease.get(); old.Addr.IsValid() && old.Addr != l.Addr {
		c.drop()
	}
	c.lease.set(l)
	c.at.setAddr(l.Addr)
	c.at.lan.ledger.acked(c, l)
	return l, nil
}

// drop gives up the address without a word.
func (c *Client) drop() {
	l := c.lease.get()
	c.lease.set(Lease{})
	c.at.setAddr(netip.Addr{})
	if l.Addr.IsValid() {
		c.at.lan.ledger.dropped(c, l.Addr)
	}
}

// renewal is the DHCPREQUEST of a client that uses its address.
func (c *Client) renewal() (*dhcp4.Message, Lease, error) {
	l, ok := c.Lease()
	if !ok {
		return nil, l, fmt.Errorf("dhcp4test: client %v %w to renew", c, ErrNoLease)
	}
	m := c.Message(dhcp4.MessageTypeRequest)
	m.ClientIPAddr = l.Addr
	return m, l, nil
}

// Renew asks the server that gave the address for more time, by unicast (RENEWING).
func (c *Client) Renew() (Lease, error) {
	m, l, err := c.renewal()
	if err != nil {
		return l, err
	}
	return c.request(context.Background(), m, l.Server, firstRetry, c.patience())
}

// Rebind asks any server for more time, by broadcast (REBINDING).
func (c *Client) Rebind() (Lease, error) {
	m, l, err := c.renewal()
	if err != nil {
		return l, err
	}
	return c.request(context.Background(), m, netip.Addr{}, firstRetry, c.patience())
}

// Reboot asks whether the address that the client has, or had, is still good (INIT-REBOOT).
func (c *Client) Reboot() (Lease, error) {
	l := c.lease.get()
	if !l.Addr.IsValid() {
		return l, fmt.Errorf("dhcp4test: client %v %w to remember", c, ErrNoLease)
	}
	m := c.Message(dhcp4.MessageTypeRequest)
	m.SetAddrs(dhcp4.OptionRequestedIPAddress, l.Addr)
	return c.request(context.Background(), m, netip.Addr{}, firstRetry, c.patience())
}

// Release gives the address back (DHCPRELEASE). There is no answer to it.
func (c *Client) Release() error { return c.giveUp(dhcp4.MessageTypeRelease) }

// Decline says that somebody else uses the address (DHCPDECLINE). There is no answer to it.
func (c *Client) Decline() error { return c.giveUp(dhcp4.MessageTypeDecline) }

func (c *Client) giveUp(t dhcp4.MessageType) error {
	l, ok := c.Lease()
	if !ok {
		return fmt.Errorf("dhcp4test: client %v %w to give up", c, ErrNoLease)
	}
	m := c.Message(t)
	m.SetServerIdentifier(l.Server)
	to := netip.Addr{}
	if t == dhcp4.MessageTypeRelease {
		m.ClientIPAddr, to = l.Addr, l.Server
	} else {
		m.SetAddrs(dhcp4.OptionRequestedIPAddress, l.Addr)
	}
	c.drop()
	return c.Send(m, to)
}

// Vanish forgets the address without a word to anybody. For others it is held until its lease ends.
func (c *Client) Vanish() {
	c.lease.set(Lease{})
	c.at.setAddr(netip.Addr{})
}

//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// A player is one played client of a probe. It does what it is told to and remembers what it was given. It is not for
// several goroutines.
type player struct {
	probe *probe
	mac   net.HardwareAddr
	id    []byte // option 61; none if empty
	host  string // option 12; none if empty
	inbox chan answer

	bound  bool
	addr   netip.Addr
	server netip.Addr
}

// inboxSize is how many answers a client keeps until it looks. Two servers answer each message at most once each.
const inboxSize = 16

// player makes a client with a hardware address.
func (p *probe) player(mac net.HardwareAddr) *player {
	c := &player{probe: p, mac: mac, inbox: make(chan answer, inboxSize)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.players[mac.String()] = c
	return c
}

// crowd makes a client for each hardware address.
func (p *probe) crowd(macs []net.HardwareAddr) []*player {
	all := make([]*player, len(macs))
	for i, mac := range macs {
		all[i] = p.player(mac)
	}
	return all
}

// message builds a message with what this client puts into each of its own.
func (c *player) message(t dhcpv4.MessageType, more ...dhcpv4.Modifier) (*dhcpv4.DHCPv4, error) {
	ms := []dhcpv4.Modifier{dhcpv4.WithHwAddr(c.mac), dhcpv4.WithMessageType(t)}
	if len(c.id) > 0 {
		ms = append(ms, dhcpv4.WithOption(dhcpv4.OptClientIdentifier(c.id)))
	}
	if c.host != "" {
		ms = append(ms, dhcpv4.WithOption(dhcpv4.OptHostName(c.host)))
	}
	if t == dhcpv4.MessageTypeDiscover || t == dhcpv4.MessageTypeRequest || t == dhcpv4.MessageTypeInform {
		ms = append(ms, dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionBroadcastAddress,
			dhcpv4.OptionDomainNameServer, dhcpv4.OptionDNSDomainSearchList))
	}
	return dhcpv4.New(append(ms, more...)...)
}

func withSecs(secs uint16) dhcpv4.Modifier {
	return func(m *dhcpv4.DHCPv4) { m.NumSeconds = secs }
}

func withRequested(a netip.Addr) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(a.AsSlice()))
}

func withServer(a netip.Addr) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(a.AsSlice()))
}

func withCurrent(a netip.Addr) dhcpv4.Modifier {
	return func(m *dhcpv4.DHCPv4) { m.ClientIPAddr = a.AsSlice() }
}

// ask sends a message, broadcast if to is not valid, and hands each answer to it to take, until that says that it has
// enough or ctx is done. Answers to earlier messages are dropped.
func (c *player) ask(ctx context.Context, m *dhcpv4.DHCPv4, to netip.Addr, take func(answer) (enough bool)) error {
	sent := time.Now()
	if err := c.probe.sendMessage(c, m, to); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-c.inbox:
			if a.TransactionID != m.TransactionID {
				continue
			}
			if m.MessageType() == dhcpv4.MessageTypeRequest { // an INFORM is given no address
				c.note(a, sent)
			}
			if take(a) {
				return nil
			}
		}
	}
}

// note remembers what the answer to a REQUEST means for the client, and tells the lab's record of promises.
func (c *player) note(a answer, sent time.Time) {
	switch a.MessageType() {
	case dhcpv4.MessageTypeAck:
		addr, _ := netip.AddrFromSlice(a.YourIPAddr.To4())
		server, _ := netip.AddrFromSlice(a.ServerIdentifier().To4())
		c.hold(addr)
		c.server = server
		c.probe.lab.told.ack(c, addr, sent, a.IPAddressLeaseTime(0))
	case dhcpv4.MessageTypeNak:
		c.hold(netip.Addr{})
		c.probe.lab.told.nak(c)
	}
}

// hold makes the probe answer ARP for the address of the client, or for none.
func (c *player) hold(a netip.Addr) {
	p := c.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[c.addr] == c {
		delete(p.held, c.addr)
	}
	c.addr, c.bound = a, a.IsValid()
	if c.bound {
		p.held[a] = c
	}
}

// all asks and returns every answer that comes within d.
func (c *player) all(ctx context.Context, d time.Duration, m *dhcpv4.DHCPv4, to netip.Addr) ([]answer, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var got []answer
	err := c.ask(ctx, m, to, func(a answer) bool { got = append(got, a); return false })
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return got, err
}

// discover sends one DISCOVER and returns every answer that comes within d.
func (c *player) discover(ctx context.Context, secs uint16, d time.Duration) ([]answer, error) {
	m, err := c.message(dhcpv4.MessageTypeDiscover, withSecs(secs))
	if err != nil {
		return nil, err
	}
	return c.all(ctx, d, m, netip.Addr{})
}

// errNak says that a server refused.
var errNak = errors.New("DHCPNAK")

// first asks and returns the first answer of one of the types. It waits for the client's patience, then gives
// context.DeadlineExceeded.
func (c *player) first(ctx context.Context, m *dhcpv4.DHCPv4, to netip.Addr, types ...dhcpv4.MessageType) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var got answer
	err := c.ask(ctx, m, to, func(a answer) bool {
		for _, t := range types {
			if a.MessageType() == t {
				got = a
				return true
			}
		}
		return false
	})
	return got, err
}

// acquire does what a client does that has no address: DISCOVER, REQUEST what is offered first, and again from the start
// where no answer comes, with the seconds since it began, until ctx is done.
func (c *player) acquire(ctx context.Context) (answer, error) {
	began := time.Now()
	for {
		a, err := c.attempt(ctx, uint16(time.Since(began)/time.Second))
		if err == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errNak) {
			return a, err
		}
		if ctx.Err() != nil {
			return a, fmt.Errorf("no address: %w", err)
		}
	}
}

// attempt is one round of acquire.
func (c *player) attempt(ctx context.Context, secs uint16) (answer, error) {
	m, err := c.message(dhcpv4.MessageTypeDiscover, withSecs(secs))
	if err != nil {
		return answer{}, err
	}
	offer, err := c.first(ctx, m, netip.Addr{}, dhcpv4.MessageTypeOffer)
	if err != nil {
		return answer{}, fmt.Errorf("DISCOVER: %w", err)
	}
	addr, _ := netip.AddrFromSlice(offer.YourIPAddr.To4())
	server, _ := netip.AddrFromSlice(offer.ServerIdentifier().To4())
	if m, err = c.message(dhcpv4.MessageTypeRequest, withSecs(secs), withRequested(addr), withServer(server)); err != nil {
		return answer{}, err
	}
	a, err := c.verdict(ctx, m, netip.Addr{})
	if err == nil && !a.YourIPAddr.Equal(offer.YourIPAddr) {
		err = fmt.Errorf("offered %v, then given %v", offer.YourIPAddr, a.YourIPAddr)
	}
	return a, err
}

// verdict asks and returns the first ACK, or the first NAK with errNak.
func (c *player) verdict(ctx context.Context, m *dhcpv4.DHCPv4, to netip.Addr) (answer, error) {
	a, err := c.first(ctx, m, to, dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak)
	switch {
	case err != nil:
		return a, fmt.Errorf("REQUEST: %w", err)
	case a.MessageType() == dhcpv4.MessageTypeNak:
		return a, fmt.Errorf("%w from %s: %s", errNak, a.server(), a.Message())
	}
	return a, nil
}

// renewal is the REQUEST of a client that has an address.
func (c *player) renewal() (*dhcpv4.DHCPv4, error) {
	if !c.bound {
		return nil, errors.New("has no address to renew")
	}
	return c.message(dhcpv4.MessageTypeRequest, withCurrent(c.addr))
}

// renew asks the server that gave the address, by unicast.
func (c *player) renew(ctx context.Context) (answer, error) {
	m, err := c.renewal()
	if err != nil {
		return answer{}, err
	}
	return c.verdict(ctx, m, c.server)
}

// rebind asks whoever hears it, and asks again until an answer comes or ctx is done.
func (c *player) rebind(ctx context.Context) (answer, error) {
	for {
		m, err := c.renewal()
		if err != nil {
			return answer{}, err
		}
		a, err := c.verdict(ctx, m, netip.Addr{})
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return a, err
		}
	}
}

// reboot asks whether the address is still good (INIT-REBOOT), until an answer comes or ctx is done.
func (c *player) reboot(ctx context.Context, addr netip.Addr) (answer, error) {
	for {
		m, err := c.message(dhcpv4.MessageTypeRequest, withRequested(addr))
		if err != nil {
			return answer{}, err
		}
		a, err := c.verdict(ctx, m, netip.Addr{})
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return a, err
		}
	}
}

// release gives the address back, and so takes its promise off the record.
func (c *player) release() error {
	m, err := c.message(dhcpv4.MessageTypeRelease, withCurrent(c.addr), withServer(c.server))
	if err != nil {
		return err
	}
	c.probe.lab.told.forget(c)
	err = c.probe.sendMessage(c, m, c.server)
	c.hold(netip.Addr{})
	return err
}

// decline says that the address is in somebody's use, and so takes its promise off the record.
func (c *player) decline() error {
	m, err := c.message(dhcpv4.MessageTypeDecline, withRequested(c.addr), withServer(c.server))
	if err != nil {
		return err
	}
	c.probe.lab.told.forget(c)
	err = c.probe.sendMessage(c, m, netip.Addr{})
	c.hold(netip.Addr{})
	return err
}

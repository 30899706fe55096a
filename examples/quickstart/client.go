package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// answerTime is how long a client waits for an answer before it asks again.
const answerTime = 500 * time.Millisecond

// crowd is the clients, and what they have been told.
type crowd struct {
	lan  *lan
	ctx  context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup
	next int

	mu    sync.Mutex
	holds map[netip.Addr]hold // by the last DHCPACK
	has   map[string]netip.Addr
	from  map[netip.Addr]int // DHCPACKs of each server for first leases
	n     tally
}

// hold is an address as its client sees it.
type hold struct {
	chaddr string
	until  time.Time
}

// tally is what came of it.
type tally struct {
	bound, acks, acksAlone int
	twice                  int // addresses that a client was given while another held it
	lost                   int // clients whose address ran out or changed
}

func newCrowd(l *lan) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	return &crowd{
		lan: l, ctx: ctx, end: cancel,
		holds: make(map[netip.Addr]hold), has: make(map[string]netip.Addr), from: make(map[netip.Addr]int),
	}
}

// add starts n more clients.
func (c *crowd) add(n int) {
	for range n {
		chaddr := []byte{2, 0, 0, 0, 0, 0}
		binary.BigEndian.PutUint32(chaddr[2:], uint32(c.next))
		c.next++
		k := &client{crowd: c, chaddr: string(chaddr), in: c.lan.join(string(chaddr)), since: time.Now()}
		c.wg.Go(k.live)
	}
}

func (c *crowd) stop() {
	c.end()
	c.wg.Wait()
}

func (c *crowd) tally() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *crowd) bound() int { return c.tally().bound }

// servedBy says how many first leases each server gave.
func (c *crowd) servedBy() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var s []string
	for _, a := range slices.SortedFunc(maps.Keys(c.from), netip.Addr.Compare) {
		s = append(s, fmt.Sprintf("%v %d", a, c.from[a]))
	}
	return strings.Join(s, ", ")
}

// acked records a DHCPACK, and compares it with what all others have been told.
func (c *crowd) acked(chaddr string, a, server netip.Addr, until time.Time) {
	servers := c.lan.alive()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n.acks++
	if servers < 2 {
		c.n.acksAlone++
	}
	if h, ok := c.holds[a]; ok && h.chaddr != chaddr && time.Now().Before(h.until) {
		c.n.twice++
	}
	old, had := c.has[chaddr]
	switch {
	case !had:
		c.n.bound++
		c.from[server]++
	case old != a:
		c.n.lost++
	}
	c.holds[a], c.has[chaddr] = hold{chaddr, until}, a
}

// ranOut records that a lease ended before anybody renewed it.
func (c *crowd) ranOut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n.lost++
}

// client is a DHCP client as RFC 2131 has it: DISCOVER and REQUEST, renewal with its server at half of the lease,
// with any server from seven eighths on.
type client struct {
	crowd  *crowd
	chaddr string
	in     <-chan []byte
	since  time.Time // when it began to ask

	addr, server netip.Addr
	given, until time.Time
}

func (k *client) live() {
	for k.crowd.ctx.Err() == nil {
		if !k.addr.IsValid() {
			if !k.acquire() {
				k.pause(answerTime/2 + rand.N(answerTime))
			}
			continue
		}
		total := k.until.Sub(k.given)
		renew, rebind := k.given.Add(total/2), k.given.Add(total*7/8)
		switch now := time.Now(); {
		case !now.Before(k.until):
			k.crowd.ranOut()
			k.addr, k.since = netip.Addr{}, now
		case !now.Before(rebind):
			k.request(netip.Addr{})
		case !now.Before(renew):
			if !k.request(k.server) {
				k.pause(max(answerTime/2, min(total/16, time.Until(rebind))))
			}
		default:
			k.pause(renew.Sub(now))
		}
	}
}

func (k *client) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-k.crowd.ctx.Done():
	}
}

// message returns a request of this client.
func (k *client) message(t dhcp4.MessageType) *dhcp4.Message {
	m := &dhcp4.Message{
		OpCode: dhcp4.OpcodeBootRequest, HWType: dhcp4.HWTypeEthernet, ClientHWAddr: []byte(k.chaddr),
		NumSeconds: uint16(time.Since(k.since) / time.Second),
	}
	binary.BigEndian.PutUint32(m.TransactionID[:], rand.Uint32())
	m.SetMessageType(t)
	return m
}

// acquire goes through DISCOVER, OFFER, REQUEST, ACK, and reports whether it got an address.
func (k *client) acquire() bool {
	offer := k.ask(netip.Addr{}, k.message(dhcp4.MessageTypeDiscover), dhcp4.MessageTypeOffer)
	if offer == nil {
		return false
	}
	server, _ := offer.ServerIdentifier()
	m := k.message(dhcp4.MessageTypeRequest)
	m.SetAddrs(dhcp4.OptionRequestedIPAddress, offer.YourIPAddr)
	m.SetServerIdentifier(server)
	return k.take(k.ask(netip.Addr{}, m, dhcp4.MessageTypeAck))
}

// request renews the lease with one server, or with any.
func (k *client) request(server netip.Addr) bool {
	m := k.message(dhcp4.MessageTypeRequest)
	m.ClientIPAddr = k.addr
	return k.take(k.ask(server, m, dhcp4.MessageTypeAck))
}

// take begins or prolongs the lease that an ACK gives. The time counts from when it was asked for.
func (k *client) take(ack *dhcp4.Message) bool {
	if ack == nil {
		return false
	}
	d, ok := ack.IPAddressLeaseTime()
	server, named := ack.ServerIdentifier()
	if !ok || !named {
		return false
	}
	k.addr, k.server, k.given = ack.YourIPAddr, server, time.Now()
	k.until = k.given.Add(d)
	k.crowd.acked(k.chaddr, k.addr, server, k.until)
	return true
}

// ask sends a message and returns the first answer of the kind it waits for, or nil.
func (k *client) ask(to netip.Addr, m *dhcp4.Message, want dhcp4.MessageType) *dhcp4.Message {
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err) // a message of this program's own making
	}
	k.crowd.lan.send(to, b)
	timeout := time.NewTimer(answerTime)
	defer timeout.Stop()
	for {
		select {
		case b := <-k.in:
			var a dhcp4.Message
			if a.UnmarshalBinary(b) == nil && a.TransactionID == m.TransactionID && a.MessageType() == want {
				return &a
			}
		case <-timeout.C:
			return nil
		case <-k.crowd.ctx.Done():
			return nil
		}
	}
}

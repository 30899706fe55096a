package dora

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

const (
	protocolICMP = 1    // of IPv4
	maxReply     = 1500 // octets of an ICMP message that is looked at
	readPause    = 5 * time.Millisecond
)

// ICMP is a Pinger that sends ICMP echo requests, all through one socket.
type ICMP struct {
	conn  *icmp.PacketConn
	raw   bool // else a datagram socket, whose identifier the kernel sets
	token [8]byte

	mu      sync.Mutex
	waiting map[netip.Addr]*echo
	seq     uint16
}

// echo is a request that waits for its reply.
type echo struct {
	seq   int
	reply chan struct{} // closed by the reply
}

// NewICMP opens the socket: one that needs no privilege where the system has them and lets this process
// (net.ipv4.ping_group_range on Linux), else a raw one.
func NewICMP() (*ICMP, error) {
	p := &ICMP{waiting: make(map[netip.Addr]*echo)}
	_, _ = rand.Read(p.token[:]) // never fails
	conn, err := icmp.ListenPacket("udp4", "0.0.0.0")
	if err != nil {
		var rawErr error
		if conn, rawErr = icmp.ListenPacket("ip4:icmp", "0.0.0.0"); rawErr != nil {
			return nil, fmt.Errorf("dora: no socket to ping with: %w", errors.Join(err, rawErr))
		}
		p.raw = true
	}
	p.conn = conn
	go p.read()
	return p, nil
}

// Close closes the socket. Pings that wait then go unanswered.
func (p *ICMP) Close() error { return p.conn.Close() }

// Ping implements Pinger. An error is one of sending.
func (p *ICMP) Ping(ctx context.Context, addr netip.Addr) (bool, error) {
	e, err := p.expect(addr)
	if err != nil {
		return false, err
	}
	defer p.forget(addr)
	b, err := (&icmp.Message{
		Type: ipv4.ICMPTypeEcho,
		Body: &icmp.Echo{ID: p.id(), Seq: e.seq, Data: p.token[:]},
	}).Marshal(nil)
	if err != nil {
		return false, fmt.Errorf("dora: ping %v: %w", addr, err)
	}
	var to net.Addr = &net.UDPAddr{IP: addr.AsSlice()}
	if p.raw {
		to = &net.IPAddr{IP: addr.AsSlice()}
	}
	if _, err := p.conn.WriteTo(b, to); err != nil {
		return false, fmt.Errorf("dora: ping %v: %w", addr, err)
	}
	select {
	case <-e.reply:
		return true, nil
	case <-ctx.Done():
		return false, nil
	}
}

// id is the identifier of this process's echo requests on a raw socket.
func (p *ICMP) id() int { return int(p.token[0])<<8 | int(p.token[1]) }

func (p *ICMP) expect(addr netip.Addr) (*echo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting[addr] != nil {
		return nil, fmt.Errorf("dora: ping %v: under way already", addr)
	}
	p.seq++
	e := &echo{seq: int(p.seq), reply: make(chan struct{})}
	p.waiting[addr] = e
	return e, nil
}

func (p *ICMP) forget(addr netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, addr)
}

// read hands replies to those who wait for them, until the socket is closed.
func (p *ICMP) read() {
	b := make([]byte, maxReply)
	for {
		n, from, err := p.conn.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as an unreachable address, which the system tells in this way
			time.Sleep(readPause)
			continue
		}
		p.take(b[:n], from)
	}
}

// take looks at one message. A reply must hold what the request held: on a raw socket those of others arrive, too, and
// an address is not taken out of use because of a forged one.
func (p *ICMP) take(b []byte, from net.Addr) {
	m, err := icmp.ParseMessage(protocolICMP, b)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply {
		return
	}
	body, ok := m.Body.(*icmp.Echo)
	if !ok || !bytes.Equal(body.Data, p.token[:]) || p.raw && body.ID != p.id() {
		return
	}
	var ip net.IP
	switch a := from.(type) {
	case *net.UDPAddr:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return
	}
	addr = addr.Unmap()
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.waiting[addr]; e != nil && e.seq == body.Seq {
		delete(p.waiting, addr)
		close(e.reply)
	}
}

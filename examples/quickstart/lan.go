package main

import (
	"net"
	"net/netip"
	"sync"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// lan is an Ethernet segment made of channels: what a client sends reaches every server, or the one it names.
type lan struct {
	mu      sync.Mutex
	servers map[netip.Addr]*port
	clients map[string]chan []byte // by chaddr
}

func newLAN() *lan {
	return &lan{servers: make(map[netip.Addr]*port), clients: make(map[string]chan []byte)}
}

// plug connects a server.
func (l *lan) plug(a netip.Addr) *port {
	p := &port{lan: l, addr: a, in: make(chan []byte, 4096), done: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers[a] = p
	return p
}

// join connects a client; what is sent to its hardware address comes out of the channel.
func (l *lan) join(chaddr string) <-chan []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan []byte, 16)
	l.clients[chaddr] = c
	return c
}

// send brings a client's message to the server with that address, or to all.
func (l *lan) send(to netip.Addr, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a, p := range l.servers {
		if to.IsValid() && a != to {
			continue
		}
		select {
		case p.in <- b:
		default: // as a switch does when its queue is full
		}
	}
}

// port is a server's dhcp4.Conn.
type port struct {
	lan  *lan
	addr netip.Addr
	in   chan []byte
	once sync.Once
	done chan struct{}
}

// ReadBatch implements dhcp4.Conn.
func (p *port) ReadBatch(ds []dhcp4.Datagram) (int, error) {
	take := func(i int, b []byte) {
		ds[i].Data = append(ds[i].Data[:0], b...)
		ds[i].Local, ds[i].Link, ds[i].HWAddr = p.addr, dhcp4.Link{Index: 1, Name: "lan0"}, nil
		ds[i].Src = netip.AddrPortFrom(netip.IPv4Unspecified(), 68)
		ds[i].Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), 67)
	}
	select {
	case <-p.done:
		return 0, net.ErrClosed
	case b := <-p.in:
		take(0, b)
	}
	for n := 1; n < len(ds); n++ {
		select {
		case b := <-p.in:
			take(n, b)
		default:
			return n, nil
		}
	}
	return len(ds), nil
}

// WriteBatch implements dhcp4.Conn. Each answer goes to the client it is made for.
func (p *port) WriteBatch(ds []dhcp4.Datagram) (int, error) {
	p.lan.mu.Lock()
	defer p.lan.mu.Unlock()
	if p.lan.servers[p.addr] != p {
		return 0, net.ErrClosed
	}
	for _, d := range ds {
		var m dhcp4.Message
		if err := m.UnmarshalBinary(d.Data); err != nil {
			return 0, err
		}
		select {
		case p.lan.clients[string(m.ClientHWAddr)] <- append([]byte(nil), d.Data...):
		default:
		}
	}
	return len(ds), nil
}

// CloseRead implements dhcp4.Conn.
func (p *port) CloseRead() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Close implements dhcp4.Conn: the plug is pulled.
func (p *port) Close() error {
	p.lan.mu.Lock()
	if p.lan.servers[p.addr] == p {
		delete(p.lan.servers, p.addr)
	}
	p.lan.mu.Unlock()
	return p.CloseRead()
}

// alive is how many servers are plugged in.
func (l *lan) alive() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.servers)
}

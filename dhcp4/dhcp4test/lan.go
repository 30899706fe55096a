package dhcp4test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// maxWaiting bounds the datagrams that wait for one station; past it they are dropped, as a switch does.
const maxWaiting = 1024

// maxBits is the length of the smallest subnet: eight addresses.
const maxBits = 29

// LAN is an Ethernet segment in memory, with the servers, relays and clients that were made on it. It ends with the test,
// and then asks Check. Its methods may be called from several goroutines.
type LAN struct {
	t      testing.TB
	prefix netip.Prefix
	ledger ledger

	mu       sync.Mutex
	rand     *rand.Rand
	weather  Weather
	stations []*station // in the order in which they came
	changed  chan struct{}
	closers  []func()
	closed   bool
	made     int // clients so far
	tape     *tape
}

// Station is what is plugged into a LAN: a *Server, a *Client or a *Relay.
type Station interface{ station() *station }

// station is a port of the switch and what is behind it.
type station struct {
	lan  *LAN
	name string
	hw   string // six octets
	port uint16 // the UDP port it listens on; 0 is every one

	// All with LAN.mu.
	addr   netip.Addr // what it answers ARP for, invalid if nothing
	side   int        // of a split switch
	up     bool
	router *Relay // it forwards what is for elsewhere

	in chan frame
}

func (s *station) station() *station { return s }

// frame is a UDP datagram on the LAN.
type frame struct {
	src, dst     netip.AddrPort
	srcHW, dstHW string // six octets; dstHW "" leaves it to ARP
	data         []byte
}

// broadcastHW is ff:ff:ff:ff:ff:ff.
const broadcastHW = "\xff\xff\xff\xff\xff\xff"

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Weather is what happens to datagrams on a LAN, to each receiver's copy by itself. The zero Weather is fine.
type Weather struct {
	Loss      float64 // of each copy, 0 to 1
	Duplicate float64 // likewise: it comes twice
	// MinDelay and MaxDelay are how long a copy takes. Where they differ copies overtake each other.
	MinDelay, MaxDelay time.Duration
	Seed               uint64 // of the dice
}

// Validate returns an error that names the first field that cannot be, or nil.
func (w Weather) Validate() error {
	switch {
	case w.Loss < 0 || w.Loss > 1:
		return fmt.Errorf("dhcp4test: Weather.Loss is %v: want 0 to 1", w.Loss)
	case w.Duplicate < 0 || w.Duplicate > 1:
		return fmt.Errorf("dhcp4test: Weather.Duplicate is %v: want 0 to 1", w.Duplicate)
	case w.MinDelay < 0 || w.MaxDelay < w.MinDelay:
		return fmt.Errorf("dhcp4test: Weather.MaxDelay is %v, MinDelay %v: want 0 <= MinDelay <= MaxDelay", w.MaxDelay, w.MinDelay)
	}
	return nil
}

// NewLAN returns an empty LAN of an IPv4 subnet, such as 10.0.0.0/24. The test fails at once where something cannot be.
func NewLAN(t testing.TB, subnet netip.Prefix) *LAN {
	t.Helper()
	if !subnet.Addr().Is4() || subnet.Bits() > maxBits {
		t.Fatalf("dhcp4test: NewLAN: subnet is %v: want an IPv4 subnet of at least eight addresses, such as 10.0.0.0/24", subnet)
	}
	l := &LAN{t: t, prefix: subnet.Masked(), rand: rand.New(rand.NewPCG(0, 0)), changed: make(chan struct{})}
	t.Cleanup(l.close)
	return l
}

// Prefix returns the subnet of the LAN.
func (l *LAN) Prefix() netip.Prefix { return l.prefix }

// Addr returns the n-th address of the subnet: Addr(1) of 10.0.0.0/24 is 10.0.0.1.
func (l *LAN) Addr(n int) netip.Addr {
	b := l.prefix.Addr().As4()
	for i := 3; i >= 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	return netip.AddrFrom4(b)
}

// broadcast is the subnet's.
func (l *LAN) broadcast() netip.Addr { return l.Addr(1<<(32-l.prefix.Bits()) - 1) }

// SetWeather changes what happens to datagrams from now on.
func (l *LAN) SetWeather(w Weather) {
	l.t.Helper()
	if err := w.Validate(); err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather, l.rand = w, rand.New(rand.NewPCG(w.Seed, 1))
}

// Split cuts the switch in two: the named stations on one half, all others on the other. A connection between two servers
// on different halves goes silent, as TCP does. A second Split undoes the first.
func (l *LAN) Split(stations ...Station) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.stations {
		s.side = 0
	}
	for _, s := range stations {
		s.station().side = 1
	}
	l.stir()
}

// Heal undoes Split. What TCP held back arrives.
func (l *LAN) Heal() { l.Split() }

// stir wakes who waits for the network to change. l.mu is held.
func (l *LAN) stir() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// plug adds a station.
func (l *LAN) plug(name, hw string, port uint16, addr netip.Addr) *station {
	s := &station{lan: l, name: name, hw: hw, port: port, addr: addr, up: true, in: make(chan frame, maxWaiting)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stations = append(l.stations, s)
	return s
}

// serverAddr returns addr, or where that is not set the first address that no station has.
func (l *LAN) serverAddr(addr netip.Addr) netip.Addr {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := func(a netip.Addr) bool {
		return slices.ContainsFunc(l.stations, func(s *station) bool { return s.addr == a })
	}
	if addr.IsValid() {
		if !l.prefix.Contains(addr) || taken(addr) {
			l.t.Fatalf("dhcp4test: server address %v: want one of %v that nobody has", addr, l.prefix)
		}
		return addr
	}
	for n := 1; ; n++ {
		if a := l.Addr(n); !taken(a) {
			return a
		}
	}
}

// atEnd has f called when the test ends, the last first.
func (l *LAN) atEnd(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// close ends all that lives on the LAN.
func (l *LAN) close() {
	l.mu.Lock()
	closers := l.closers
	l.closers, l.closed = nil, true
	l.mu.Unlock()
	for _, f := range slices.Backward(closers) {
		f()
	}
	l.Check()
}

// setAddr says what a station answers ARP for.
func (s *station) setAddr(a netip.Addr) {
	s.lan.mu.Lock()
	defer s.lan.mu.Unlock()
	s.addr = a
}

// setUp plugs a station in, or pulls the plug.
func (s *station) setUp(up bool) {
	s.lan.mu.Lock()
	defer s.lan.mu.Unlock()
	s.up = up
	s.lan.stir()
}

// reaches reports whether frames of s come to p. s.lan.mu is held.
func (s *station) reaches(p *station) bool { return s.up && p.up && s.side == p.side }

// send puts a datagram on the wire.
func (s *station) send(f frame) {
	l := s.lan
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.up || l.closed {
		return
	}
	f.srcHW, f.data = s.hw, bytes.Clone(f.data)
	f.dstHW = l.resolve(f)
	if l.tape != nil {
		l.tape.write(f)
	}
	for _, p := range l.stations {
		if p != s && p.takes(f) && s.reaches(p) {
			l.deliver(p, f)
		}
	}
}

// resolve returns the hardware address that a datagram goes to: of whoever answers ARP for it, or of a router; "" if
// nobody does.
func (l *LAN) resolve(f frame) string {
	to := f.dst.Addr()
	if f.dstHW != "" {
		return f.dstHW
	}
	if to == limitedBroadcast || to == l.broadcast() {
		return broadcastHW
	}
	way := ""
	for _, p := range l.stations {
		switch {
		case p.addr == to && p.up:
			return p.hw
		case p.router != nil && p.up && !l.prefix.Contains(to):
			way = p.hw
		}
	}
	return way
}

// takes reports whether a station has an ear for a frame. A client is spared what other clients are told by broadcast.
func (s *station) takes(f frame) bool {
	if s.router != nil && f.dstHW == s.hw {
		return true
	}
	if s.port != 0 && f.dst.Port() != s.port {
		return false
	}
	if f.dstHW == broadcastHW {
		return s.port != dhcp4.ClientPort || len(f.data) >= 34 && string(f.data[28:34]) == s.hw
	}
	return f.dstHW == s.hw
}

// deliver gives one station its copy, as the weather has it. l.mu is held.
func (l *LAN) deliver(p *station, f frame) {
	w := l.weather
	copies := 1
	if w.Duplicate > 0 && l.rand.Float64() < w.Duplicate {
		copies = 2
	}
	for range copies {
		if w.Loss > 0 && l.rand.Float64() < w.Loss {
			continue
		}
		delay := w.MinDelay
		if w.MaxDelay > w.MinDelay {
			delay += time.Duration(l.rand.Int64N(int64(w.MaxDelay - w.MinDelay)))
		}
		if delay == 0 {
			p.put(f)
		} else {
			time.AfterFunc(delay, func() { p.put(f) })
		}
	}
}

func (s *station) put(f frame) {
	select {
	case s.in <- f:
	default:
	}
}

// Record writes every datagram from now on to w as a capture in the format of pcap, which tcpdump, tshark and Replay read.
func (l *LAN) Record(w io.Writer) {
	l.t.Helper()
	tape, err := newTape(w, l.t)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tape = tape
}

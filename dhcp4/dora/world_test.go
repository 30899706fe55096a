package dora

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// start is a whole second, at which most tests begin.
var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

var (
	serverAddr = netip.MustParseAddr("10.0.10.251")
	otherAddr  = netip.MustParseAddr("10.0.10.252")
	broadcast  = netip.MustParseAddrPort("255.255.255.255:67")
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func ipOption(code dhcp4.OptionCode, addrs ...string) Option {
	var v []byte
	for _, a := range addrs {
		v = append(v, addr(a).AsSlice()...)
	}
	return Option{code, string(v)}
}

// world is a server with what it stands on. The fields may be changed before open.
type world struct {
	t      testing.TB
	cfg    Config
	store  lease.Store
	gate   func(*world) Gate // Alone if nil
	silent bool              // without a log

	book   *lease.Book
	alone  *Alone
	server *Server
	log    *observer.ObservedLogs
	now    time.Time
	pools  []*pool.Pool
	turn   int // counts requests
}

// newWorld returns a world with the network of the seed: 10.0.10.0/24, addresses from first to last.
func newWorld(t testing.TB, first, last string) *world {
	w := &world{t: t, now: start, store: lease.NewMemory()}
	w.cfg = Config{Networks: []Network{{
		Name: "10.0.10.0/24",
		Subnets: []Subnet{{Prefix: netip.MustParsePrefix("10.0.10.0/24"), Settings: Settings{
			DefaultLease: 600 * time.Second, MaxLease: 600 * time.Second,
			Options: []Option{
				ipOption(dhcp4.OptionRouter, "10.0.10.254"),
				ipOption(dhcp4.OptionBroadcastAddress, "10.0.10.255"),
				ipOption(dhcp4.OptionSubnetMask, "255.255.255.0"),
				ipOption(dhcp4.OptionDomainNameServer, "1.1.1.1", "9.9.9.9"),
				{dhcp4.OptionDNSDomainSearchList, "\x06domain\x03com\x00"},
			},
		}}},
	}}}
	w.addPool(0, first, last)
	return w
}

// addPool adds a pool to a network. It gets its Pool and Gate in open.
func (w *world) addPool(network int, first, last string) *Pool {
	n := &w.cfg.Networks[network]
	p, err := pool.New(pool.Config{
		Name: first, Ranges: []pool.Range{{First: addr(first), Last: addr(last)}}, Excluded: w.excluded(),
	}, (*late)(w))
	if err != nil {
		w.t.Fatal(err)
	}
	w.pools = append(w.pools, p)
	n.Pools = append(n.Pools, Pool{Pool: p})
	return &n.Pools[len(n.Pools)-1]
}

func (w *world) excluded() (all []netip.Addr) {
	for _, h := range w.cfg.Hosts {
		all = append(all, h.Fixed...)
	}
	return all
}

// late is the View of a Book that is opened after its pools are made.
type late world

func (l *late) Get(a netip.Addr) lease.Lease {
	if l.book == nil {
		return lease.Virgin(a)
	}
	return l.book.Get(a)
}

// open starts the server, or starts it again with the leases it had.
func (w *world) open() *world {
	w.t.Helper()
	var err error
	if w.book, err = lease.OpenBook(context.Background(), w.store, lease.BookConfig{ScopeOf: w.cfg.ScopeOf()}); err != nil {
		w.t.Fatal(err)
	}
	w.alone = NewAlone(w.book, nil, w.pools...)
	for _, p := range w.pools {
		w.book.Observe(p)
	}
	for i := range w.cfg.Networks {
		for j := range w.cfg.Networks[i].Pools {
			p := &w.cfg.Networks[i].Pools[j]
			p.Gate = w.alone
			if w.gate != nil {
				p.Gate = w.gate(w)
			}
		}
	}
	core, log := observer.New(zapcore.DebugLevel)
	w.log = log
	logger := zap.New(core)
	if w.silent {
		logger = nil
	}
	if w.server, err = New(w.cfg, w.book, logger); err != nil {
		w.t.Fatal(err)
	}
	return w
}

// lines returns what was logged since the last call.
func (w *world) lines() (lines []string) {
	for _, e := range w.log.TakeAll() {
		lines = append(lines, e.Message)
	}
	return lines
}

// msg is a message to be sent: a few words that stand for a DHCP message.
type msg struct {
	kind    dhcp4.MessageType
	mac     string // "" is 02:00:00:00:00:01
	id      string // option 61
	ciaddr  string
	giaddr  string
	wish    string // option 50
	server  string // option 54
	secs    uint16
	host    string // option 12
	want    time.Duration
	list    []byte // option 55
	info    string // option 82
	unicast bool   // to the server's address, else broadcast
	with    func(*dhcp4.Message)
	noLink  bool // of the interface nothing is known
}

func mac(s string) []byte {
	var m [6]byte
	if s == "" {
		s = "02:00:00:00:00:01"
	}
	if n, err := fmt.Sscanf(s, "%02x:%02x:%02x:%02x:%02x:%02x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); n != 6 {
		panic(err)
	}
	return m[:]
}

func number(n int) string { return fmt.Sprintf("02:00:00:00:%02x:%02x", n>>8&0xff, n&0xff) }

func (m msg) client() lease.Client {
	return lease.Client{ID: m.id, HW: lease.MakeHWAddr(1, mac(m.mac))}
}

// request builds the datagram of m and reads it again, as a server gets it.
func (m msg) request(t testing.TB, now time.Time) *dhcp4.Request {
	t.Helper()
	var b dhcp4.Message
	b.OpCode, b.HWType, b.ClientHWAddr = dhcp4.OpcodeBootRequest, dhcp4.HWTypeEthernet, mac(m.mac)
	b.TransactionID = dhcp4.TransactionID{1, 2, 3, 4}
	b.NumSeconds = m.secs
	b.SetMessageType(m.kind)
	set := func(a *netip.Addr, s string) {
		if s != "" {
			*a = addr(s)
		}
	}
	set(&b.ClientIPAddr, m.ciaddr)
	set(&b.GatewayIPAddr, m.giaddr)
	if m.id != "" {
		b.SetOption(dhcp4.OptionClientIdentifier, []byte(m.id))
	}
	if m.wish != "" {
		b.SetAddrs(dhcp4.OptionRequestedIPAddress, addr(m.wish))
	}
	if m.server != "" {
		b.SetServerIdentifier(addr(m.server))
	}
	if m.host != "" {
		b.SetText(dhcp4.OptionHostName, m.host)
	}
	if m.want != 0 {
		b.SetIPAddressLeaseTime(m.want)
	}
	if m.list != nil {
		b.SetOption(dhcp4.OptionParameterRequestList, m.list)
	}
	if m.info != "" {
		b.SetOption(dhcp4.OptionRelayAgentInformation, []byte(m.info))
	}
	if m.with != nil {
		m.with(&b)
	}
	out, err := b.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	in := new(dhcp4.Message)
	if err := in.UnmarshalBinary(out); err != nil {
		t.Fatal(err)
	}
	req := &dhcp4.Request{Message: in, Received: now, Local: serverAddr, Link: dhcp4.Link{Index: 2, Name: "eth0"}, Dst: broadcast}
	if m.noLink {
		req.Local, req.Link = netip.Addr{}, dhcp4.Link{}
	}
	if m.unicast {
		req.Dst = netip.AddrPortFrom(serverAddr, 67)
	}
	if m.unicast || m.giaddr != "" || m.kind == dhcp4.MessageTypeInform {
		src := first(m.giaddr, m.ciaddr)
		if src != "" {
			req.Src = netip.AddrPortFrom(addr(src), 68)
		}
	}
	return req
}

// send gives m to the server and returns the answer as the client reads it, nil for silence.
func (w *world) send(m msg) *dhcp4.Message {
	w.t.Helper()
	reply, err := w.try(m)
	if err != nil {
		w.t.Fatalf("%v: %v", m.kind, err)
	}
	return reply
}

func (w *world) try(m msg) (*dhcp4.Message, error) {
	w.t.Helper()
	req := m.request(w.t, w.now)
	reply, err := w.serve(req)
	if err != nil || reply == nil {
		return nil, err
	}
	out, err := reply.MarshalBinary()
	if err != nil {
		w.t.Fatalf("the answer cannot be sent: %v", err)
	}
	got := new(dhcp4.Message)
	if err := got.UnmarshalBinary(out); err != nil {
		w.t.Fatalf("the answer cannot be read: %v", err)
	}
	if got.TransactionID != req.TransactionID || string(got.ClientHWAddr) != string(req.ClientHWAddr) {
		w.t.Fatalf("answer to %v %x, want to %v %x", got.TransactionID, got.ClientHWAddr, req.TransactionID, req.ClientHWAddr)
	}
	return got, nil
}

// serve has every other request started, as a dhcp4.Server does, and the others served.
func (w *world) serve(req *dhcp4.Request) (*dhcp4.Message, error) {
	w.turn++
	if w.turn%2 == 0 {
		return w.server.ServeDHCP(context.Background(), req)
	}
	return w.start(req)
}

// start has a request started, and served where that must wait.
func (w *world) start(req *dhcp4.Request) (*dhcp4.Message, error) {
	type answer struct {
		reply *dhcp4.Message
		err   error
	}
	answers := make(chan answer, 1)
	reply, pending, err := w.server.StartDHCP(context.Background(), req, func(m *dhcp4.Message, err error) { answers <- answer{m, err} })
	if pending {
		a := <-answers
		reply, err = a.reply, a.err
	}
	if errors.Is(err, dhcp4.ErrMustWait) {
		return w.server.ServeDHCP(context.Background(), req)
	}
	return reply, err
}

// say returns an answer in a few words: "DHCPACK 10.0.10.10 10m0s", or "silence".
func say(m *dhcp4.Message) string {
	if m == nil {
		return "silence"
	}
	s := m.MessageType().String()
	if m.MessageType() == dhcp4.MessageTypeNone {
		s = "BOOTREPLY"
	}
	if isSet(m.YourIPAddr) {
		s += " " + m.YourIPAddr.String()
	}
	if d, ok := m.IPAddressLeaseTime(); ok {
		s += " " + d.String()
	}
	if v := m.MessageText(); v != "" {
		s += ": " + v
	}
	return s
}

func (w *world) expect(what string, m msg, want string) *dhcp4.Message {
	w.t.Helper()
	got := w.send(m)
	if say(got) != want {
		w.t.Errorf("%s: %s, want %s; log: %q", what, say(got), want, w.lines())
	}
	return got
}

// dora has a client get an address from discover to acknowledgement.
func (w *world) dora(m msg) netip.Addr {
	w.t.Helper()
	m.kind = dhcp4.MessageTypeDiscover
	offer := w.send(m)
	if offer == nil {
		w.t.Fatalf("no offer to %v; log: %q", m.client(), w.lines())
	}
	m.kind, m.wish = dhcp4.MessageTypeRequest, offer.YourIPAddr.String()
	id, _ := offer.ServerIdentifier()
	m.server = id.String()
	ack := w.send(m)
	if ack == nil || ack.MessageType() != dhcp4.MessageTypeAck || ack.YourIPAddr != offer.YourIPAddr {
		w.t.Fatalf("%s after %s; log: %q", say(ack), say(offer), w.lines())
	}
	return ack.YourIPAddr
}

// put brings leases on record.
func (w *world) put(leases ...lease.Lease) {
	w.t.Helper()
	for _, l := range leases {
		err := w.book.Apply(context.Background(), lease.Batch{Changes: []lease.Change{{Old: w.book.Get(l.Addr), New: l}}})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// active is a lease of a client that was given at start for 600 s.
func active(a string, c lease.Client) lease.Lease {
	return lease.Lease{
		Addr: addr(a), Status: lease.Active, Client: c, Since: start, LastTransaction: start, Expiry: start.Add(600 * time.Second),
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// Each class begins where the one before ends, and is narrow.
func TestHistogramClasses(t *testing.T) {
	var h histogram
	for i := 1; i < len(h.classes); i++ {
		if from := upper(i-1) + 1; class(from) != i || class(upper(i)) != i {
			t.Fatalf("class %d is %d to %d; of these numbers the classes are %d, %d", i, from, upper(i), class(from), class(upper(i)))
		}
		if from, width := upper(i-1)+1, upper(i)-upper(i-1); width > max(1, from/32) {
			t.Fatalf("class %d from %d is %d wide", i, from, width)
		}
	}
}

// A quantile is as near to that of the sorted durations as classes are wide.
func TestHistogramQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 10000 {
		d := time.Duration(rng.ExpFloat64() * float64(10*time.Millisecond))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		if got := h.quantile(q); got < want-time.Microsecond || got > want+want/32+time.Microsecond {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.most != all[len(all)-1] {
		t.Errorf("most is %v, want %v", h.most, all[len(all)-1])
	}
}

func TestQueueKeepsOrderWhileItGrows(t *testing.T) {
	var q queue[int]
	next, want := 0, 0
	for round := range 200 {
		for range round % 7 * 13 {
			q.push(next)
			next++
		}
		for range min(round%5*17, q.len()) {
			if front, got := *q.front(), q.pop(); front != want || got != want {
				t.Fatalf("front %d, pop %d, want %d", front, got, want)
			}
			want++
		}
	}
	if q.len() != next-want {
		t.Errorf("%d are left, want %d", q.len(), next-want)
	}
}

func TestHoldersSeeWhatIsGivenTwice(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	at := func(secs int) time.Time { return now.Add(time.Duration(secs) * time.Second) }
	for _, c := range []struct {
		name  string
		do    func(h *holders)
		twice int
	}{
		{"to one client again and again", func(h *holders) {
			h.gave(at(0), 1, 10, 0, at(60), 1)
			h.gave(at(1), 1, 10, 10, at(61), 1)
		}, 0},
		{"to another while it is held", func(h *holders) {
			h.gave(at(0), 1, 10, 0, at(60), 1)
			h.gave(at(59), 2, 10, 0, at(120), 1)
		}, 1},
		{"to another when it is over", func(h *holders) {
			h.gave(at(0), 1, 10, 0, at(60), 1)
			h.gave(at(60), 2, 10, 0, at(120), 1)
		}, 0},
		{"to another when its client has got another address", func(h *holders) {
			h.gave(at(0), 1, 10, 0, at(60), 1)
			h.gave(at(1), 1, 11, 10, at(60), 1)
			h.gave(at(2), 2, 10, 0, at(120), 1)
		}, 0},
		{"to another when its client was refused", func(h *holders) {
			h.gave(at(0), 1, 10, 0, at(60), 1)
			h.took(1, 10)
			h.gave(at(2), 2, 10, 0, at(120), 1)
		}, 0},
		{"a refusal of somebody else frees nothing", func(h *holders) {
			h.gave(at(0), 1, 10, 0, at(60), 1)
			h.took(2, 10)
			h.gave(at(2), 2, 10, 0, at(120), 1)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHolders(0)
			c.do(h)
			if h.twice != c.twice || len(h.examples) != c.twice {
				t.Errorf("%d times twice, %q, want %d", h.twice, h.examples, c.twice)
			}
		})
	}
}

func TestRamp(t *testing.T) {
	c := config{Rate: 1000, Ramp: 4 * time.Second}
	for _, w := range []struct {
		at   time.Duration
		want int
	}{{0, 0}, {2 * time.Second, 500}, {4 * time.Second, 2000}, {5 * time.Second, 3000}} {
		if got := c.due(w.at); got != w.want {
			t.Errorf("after %v %d are due, want %d", w.at, got, w.want)
		}
	}
	if got := (config{Rate: 50}).due(3 * time.Second); got != 150 {
		t.Errorf("without ramp %d, want 150", got)
	}
}

// What the templates make is what the codec reads.
func TestMessages(t *testing.T) {
	cfg := config{Relays: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, ClientID: true, RelayInfo: true}
	ts, err := newTemplates(cfg)
	if err != nil {
		t.Fatal(err)
	}
	relay := [4]byte{10, 0, 0, 3}
	const number, xid, addr, server = 0x01020304, 0x05060708, 0x0a000009, 0x0a000001
	addrA, serverA := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.1")
	for k, want := range map[kind]struct {
		kind                   dhcp4.MessageType
		ciaddr, wished, server netip.Addr
	}{
		discover: {kind: dhcp4.MessageTypeDiscover},
		request:  {kind: dhcp4.MessageTypeRequest, wished: addrA, server: serverA},
		renew:    {kind: dhcp4.MessageTypeRequest, ciaddr: addrA},
		reboot:   {kind: dhcp4.MessageTypeRequest, wished: addrA},
	} {
		var m dhcp4.Message
		if err := m.UnmarshalBinary(ts[k].appendTo(nil, number, xid, relay, addr, server)); err != nil {
			t.Fatal(err)
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
		wished, _ := m.RequestedIPAddress()
		named, _ := m.ServerIdentifier()
		ciaddr := m.ClientIPAddr
		if ciaddr.IsUnspecified() {
			ciaddr = netip.Addr{}
		}
		if m.MessageType() != want.kind || ciaddr != want.ciaddr || wished != want.wished || named != want.server {
			t.Errorf("kind %d: %v, wishes %v of %v, ciaddr %v", k, &m, wished, named, ciaddr)
		}
		if m.GatewayIPAddr != netip.AddrFrom4(relay) || m.TransactionID != (dhcp4.TransactionID{5, 6, 7, 8}) ||
			!bytes.Equal(m.ClientHWAddr, []byte{2, 0, 1, 2, 3, 4}) {
			t.Errorf("kind %d: %v", k, &m)
		}
		id, _ := m.ClientIdentifier()
		circuit, _ := m.RelayAgentSub(dhcp4.AgentCircuitID)
		if !bytes.Equal(id, []byte{1, 2, 0, 1, 2, 3, 4}) || !bytes.Equal(circuit, []byte{1, 2, 3, 4}) {
			t.Errorf("kind %d: identifier %x, circuit %x", k, id, circuit)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	var reply dhcp4.Message
	reply.OpCode = dhcp4.OpcodeBootReply
	reply.ClientHWAddr = make([]byte, 6)
	reply.SetMessageType(dhcp4.MessageTypeAck)
	reply.SetIPAddressLeaseTime(time.Hour)
	b, err := reply.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:245])
	f.Fuzz(func(t *testing.T, in []byte) {
		a, ok := parseAnswer(in)
		var m dhcp4.Message
		if !ok || m.UnmarshalBinary(in) != nil {
			return
		}
		if _, again := m.Option(dhcp4.OptionOptionOverload); m.YourIPAddr != address(a.addr) || again {
			t.Errorf("%x: %v, yiaddr %v", in, a, m.YourIPAddr)
		}
	})
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args, want string
	}{
		{"-relays 10.0.0.2 10.0.0.1", ""},
		{"-relays 10.0.0.2", "no server"},
		{"10.0.0.1", "-relays"},
		{"-relays 10.0.0.2 ::1", "not an IPv4"},
		{"-relays x 10.0.0.1", "-relays"},
		{"-relays 10.0.0.2 -ramp 1s 10.0.0.1", "-ramp"},
		{"-relays 10.0.0.2 -for 0 10.0.0.1", "-for"},
		{"-relays 10.0.0.2 -renew 101 10.0.0.1", "-renew"},
		{"-relays 10.0.0.2 -clients 0 10.0.0.1", "-clients"},
	} {
		_, _, _, err := parse(strings.Fields(c.args), new(bytes.Buffer))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}

func TestResultAsJSON(t *testing.T) {
	r := result{Took: 2 * time.Second, inTime: 10, Twice: 1, Examples: []string{"x"}}
	for range 10 {
		r.DORA.add(3 * time.Millisecond)
	}
	var b bytes.Buffer
	if err := r.writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Rate != 5 || got.Completed != 10 || got.Twice != 1 || got.Latency["dora"].P50MS != 3 {
		t.Errorf("%+v", got)
	}
}

package dhcp4_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// captured returns the payload of a datagram from testdata: messages of dhclient, udhcpc, dhcpcd and dhcrelay, and the
// answers of ISC dhcpd 4.4.3-P1.
func captured(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// capturedNames returns the names of all messages in testdata.
func capturedNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.hex"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no messages in testdata: %v", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".hex")
	}
	return files
}

// decode returns the message in b.
func decode(t testing.TB, b []byte) *dhcp4.Message {
	t.Helper()
	m := new(dhcp4.Message)
	if err := m.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return m
}

// encode returns m's octets.
func encode(t testing.TB, m *dhcp4.Message) []byte {
	t.Helper()
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// datagram returns a message of a client, op 1 and chaddr 02:00:00:00:00:01, with these octets behind the magic cookie.
func datagram(options ...byte) []byte {
	b := make([]byte, 240, 300)
	b[0], b[1], b[2] = 1, 1, 6
	copy(b[28:], []byte{2, 0, 0, 0, 0, 1})
	copy(b[236:], []byte{99, 130, 83, 99})
	return append(b, options...)
}

// content is all that a message says, without the order of its options, for comparing with ==.
func content(m *dhcp4.Message) string {
	var options []string
	for code, value := range m.Options() {
		options = append(options, fmt.Sprintf("%d=%x", code, value))
	}
	slices.Sort(options)
	return fmt.Sprintf("%v %v %v %v %v %#x %v %v %v %v %x %q %q %v", m.OpCode, m.HWType, m.HopCount, m.TransactionID,
		m.NumSeconds, uint16(m.Flags), m.ClientIPAddr, m.YourIPAddr, m.ServerIPAddr, m.GatewayIPAddr, m.ClientHWAddr,
		m.ServerHostName, m.BootFileName, options)
}

// codes returns the options of m in their order.
func codes(m *dhcp4.Message) []dhcp4.OptionCode {
	var list []dhcp4.OptionCode
	for code := range m.Options() {
		list = append(list, code)
	}
	return list
}

func TestClone(t *testing.T) {
	b := captured(t, "discover-relayed")
	m := decode(t, b)
	want := content(m)
	c := m.Clone()
	clear(b)
	m.Reset()
	if got := content(c); got != want {
		t.Errorf("clone after its datagram is gone:\n got %s\nwant %s", got, want)
	}
	if got, want := content(m), content(new(dhcp4.Message)); got != want {
		t.Errorf("after Reset:\n got %s\nwant %s", got, want)
	}
}

func TestCloneOfReplyEncodesTheSame(t *testing.T) {
	reply := decode(t, captured(t, "discover-dhcpcd")).NewReply(nil, dhcp4.MessageTypeOffer)
	for _, code := range []dhcp4.OptionCode{51, 1, 3, 6, 15, 28, 54} {
		reply.SetOption(code, []byte{1, 2, 3, 4})
	}
	if got, want := encode(t, reply.Clone()), encode(t, reply); !bytes.Equal(got, want) {
		t.Errorf("\n got %x\nwant %x", got, want)
	}
}

func TestMessageUsedAgain(t *testing.T) {
	var m dhcp4.Message
	for _, name := range capturedNames(t) {
		b := captured(t, name)
		if err := m.UnmarshalBinary(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := content(&m), content(decode(t, b)); got != want {
			t.Errorf("%s: used again\n got %s\nwant %s", name, got, want)
		}
	}
	if err := m.UnmarshalBinary(nil); err == nil {
		t.Error("no error for an empty datagram")
	}
	if got, want := content(&m), content(new(dhcp4.Message)); got != want {
		t.Errorf("after an error:\n got %s\nwant %s", got, want)
	}
}

func TestStrings(t *testing.T) {
	for _, test := range []struct {
		got  fmt.Stringer
		want string
	}{
		{dhcp4.MessageTypeNone, "BOOTP"},
		{dhcp4.MessageTypeDiscover, "DHCPDISCOVER"},
		{dhcp4.MessageTypeLeaseActive, "DHCPLEASEACTIVE"},
		{dhcp4.MessageType(200), "MessageType(200)"},
		{dhcp4.OpcodeBootReply, "BOOTREPLY"},
		{dhcp4.OpCode(9), "OpCode(9)"},
		{dhcp4.HWTypeEthernet, "Ethernet"},
		{dhcp4.HWType(77), "HWType(77)"},
		{dhcp4.TransactionID{0, 1, 2, 0xff}, "0x000102ff"},
		{dhcp4.OptionRequestedIPAddress, "Requested IP Address"},
		{dhcp4.OptionCode(224), "OptionCode(224)"},
		{dhcp4.AgentCircuitID, "Circuit ID"},
		{dhcp4.RelayAgentCode(99), "RelayAgentCode(99)"},
		{decode(t, captured(t, "ack-relayed")), "DHCPACK xid 0x37c87946 chaddr 020000000b01 yiaddr 10.0.20.29 " +
			"giaddr 10.0.20.1"},
	} {
		if got := test.got.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestNewReply(t *testing.T) {
	for _, test := range []struct {
		name        string
		request     string
		change      func(m *dhcp4.Message)
		typ         dhcp4.MessageType
		codes       []dhcp4.OptionCode
		flags       dhcp4.Flags
		ciaddr      string
		maximumSize int
	}{
		{name: "an offer echoes the client identifier", request: "discover-udhcpc", typ: dhcp4.MessageTypeOffer,
			codes: []dhcp4.OptionCode{53, 61}, ciaddr: "invalid IP", maximumSize: 548},
		{name: "a client that says how much it takes gets it", request: "discover-dhcpcd", typ: dhcp4.MessageTypeOffer,
			codes: []dhcp4.OptionCode{53, 61}, ciaddr: "invalid IP", maximumSize: 1444},
		{name: "an offer through a relay echoes option 82", request: "discover-relayed", typ: dhcp4.MessageTypeOffer,
			codes: []dhcp4.OptionCode{53, 82}, ciaddr: "invalid IP", maximumSize: 548},
		{name: "a NAK through a relay asks for broadcast", request: "discover-relayed", typ: dhcp4.MessageTypeNak,
			codes: []dhcp4.OptionCode{53, 82}, flags: dhcp4.FlagBroadcast, ciaddr: "invalid IP", maximumSize: 548},
		{name: "the broadcast flag is kept", request: "discover-dhclient", typ: dhcp4.MessageTypeOffer,
			change: func(m *dhcp4.Message) { m.Flags = dhcp4.FlagBroadcast },
			codes:  []dhcp4.OptionCode{53}, flags: dhcp4.FlagBroadcast, ciaddr: "invalid IP", maximumSize: 548},
		{name: "an ACK repeats ciaddr", request: "renew-dhcpcd", typ: dhcp4.MessageTypeAck,
			codes: []dhcp4.OptionCode{53, 61}, ciaddr: "10.0.10.20", maximumSize: 1444},
		{name: "a NAK does not repeat ciaddr", request: "renew-dhcpcd", typ: dhcp4.MessageTypeNak,
			codes: []dhcp4.OptionCode{53, 61}, ciaddr: "invalid IP", maximumSize: 1444},
		{name: "BOOTP is answered with as much as was asked", request: "bootp-request", typ: dhcp4.MessageTypeNone,
			ciaddr: "0.0.0.0", maximumSize: 300},
		{name: "a client cannot take less than 576", request: "discover-dhclient", typ: dhcp4.MessageTypeOffer,
			change: func(m *dhcp4.Message) { m.SetOption(dhcp4.OptionMaximumDHCPMessageSize, []byte{0, 64}) },
			codes:  []dhcp4.OptionCode{53}, ciaddr: "invalid IP", maximumSize: 548},
		{name: "no reply is larger than a frame", request: "discover-dhclient", typ: dhcp4.MessageTypeOffer,
			change: func(m *dhcp4.Message) { m.SetOption(dhcp4.OptionMaximumDHCPMessageSize, []byte{255, 255}) },
			codes:  []dhcp4.OptionCode{53}, ciaddr: "invalid IP", maximumSize: 1472},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := captured(t, test.request)
			m := decode(t, b)
			if test.change != nil {
				test.change(m)
			}
			var reply dhcp4.Message
			reply.SetText(dhcp4.OptionMessage, "of another answer")
			if m.NewReply(&reply, test.typ) != &reply {
				t.Error("NewReply does not return its argument")
			}
			if got := codes(&reply); !slices.Equal(got, test.codes) {
				t.Errorf("got options %d, want %d", got, test.codes)
			}
			if got := reply.MessageType(); got != test.typ {
				t.Errorf("got type %v, want %v", got, test.typ)
			}
			if reply.OpCode != dhcp4.OpcodeBootReply || reply.HWType != m.HWType || reply.HopCount != 0 ||
				reply.TransactionID != m.TransactionID || reply.GatewayIPAddr != m.GatewayIPAddr {
				t.Errorf("header of %v does not answer that of %v", &reply, m)
			}
			if reply.Flags != test.flags {
				t.Errorf("got flags %#x, want %#x", reply.Flags, test.flags)
			}
			if got := reply.ClientIPAddr.String(); got != test.ciaddr {
				t.Errorf("got ciaddr %s, want %s", got, test.ciaddr)
			}
			if reply.MaximumSize != test.maximumSize {
				t.Errorf("got maximum size %d, want %d", reply.MaximumSize, test.maximumSize)
			}
			want := content(&reply)
			clear(b)
			m.Reset()
			if got := content(&reply); got != want {
				t.Errorf("after the request is gone:\n got %s\nwant %s", got, want)
			}
		})
	}
}

// A reply built like ISC dhcpd's is, but for the echoed client identifier, the same octets.
func TestReplyLikeISC(t *testing.T) {
	for _, test := range []struct{ request, reply string }{
		{"discover-dhclient", "offer-dhclient"},
		{"request-dhclient", "ack-dhclient"},
		{"renew-dhcpcd", "ack-dhcpcd"},
		{"discover-relayed", "offer-relayed"},
	} {
		want := captured(t, test.reply)
		isc := decode(t, want)
		reply := decode(t, captured(t, test.request)).NewReply(nil, isc.MessageType())
		reply.DelOption(dhcp4.OptionClientIdentifier)
		reply.YourIPAddr, reply.ServerIPAddr = isc.YourIPAddr, isc.ServerIPAddr
		reply.HopCount = isc.HopCount
		reply.NumSeconds = isc.NumSeconds
		options := codes(isc)
		slices.Sort(options) // the order is NewReply's business
		for _, code := range options {
			value, _ := isc.Option(code)
			reply.SetOption(code, value)
		}
		if got := encode(t, reply); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", test.reply, got, want)
		}
	}
}

func TestChain(t *testing.T) {
	var seen []string
	note := func(name string) dhcp4.Middleware {
		return func(next dhcp4.Handler) dhcp4.Handler {
			return dhcp4.HandlerFunc(func(ctx context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
				seen = append(seen, name+" in")
				defer func() { seen = append(seen, name+" out") }()
				return next.ServeDHCP(ctx, req)
			})
		}
	}
	silence := dhcp4.HandlerFunc(func(context.Context, *dhcp4.Request) (*dhcp4.Message, error) { return nil, nil })
	reply, err := dhcp4.Chain(silence, note("a"), note("b")).ServeDHCP(t.Context(), new(dhcp4.Request))
	if reply != nil || err != nil {
		t.Errorf("got %v, %v, want silence", reply, err)
	}
	if got, want := strings.Join(seen, ", "), "a in, b in, b out, a out"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

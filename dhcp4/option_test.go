package dhcp4_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

func TestSetOption(t *testing.T) {
	var m dhcp4.Message
	for i := range 40 { // more than a Message holds inline
		m.SetOption(dhcp4.OptionCode(100+i), []byte{byte(i)})
	}
	m.SetOption(103, []byte("longer than before"))
	m.SetOption(104, nil)
	m.SetOption(135, []byte{1, 2})
	m.DelOption(100)
	m.DelOption(130)
	m.DelOption(139)
	m.DelOption(99)
	m.SetOption(100, []byte("again"))
	var want []dhcp4.OptionCode
	for code := dhcp4.OptionCode(101); code < 139; code++ {
		if code != 130 {
			want = append(want, code)
		}
	}
	want = append(want, 100)
	if got := codes(&m); !slices.Equal(got, want) {
		t.Errorf("got options %d\nwant %d", got, want)
	}
	for code, want := range map[dhcp4.OptionCode]string{100: "again", 101: "\x01", 103: "longer than before", 104: "",
		129: "\x1d", 131: "\x1f", 135: "\x01\x02", 138: "\x26"} {
		if got, ok := m.Option(code); !ok || string(got) != want {
			t.Errorf("option %d: got %q, %v, want %q", code, got, ok, want)
		}
	}
	for _, code := range []dhcp4.OptionCode{99, 130, 139} {
		if got, ok := m.Option(code); ok {
			t.Errorf("option %d: got %q, want none", code, got)
		}
	}
}

// A handler that edits what it was sent must not write into the datagram.
func TestSetOptionLeavesTheDatagram(t *testing.T) {
	b := captured(t, "request-dhclient")
	before := bytes.Clone(b)
	m := decode(t, b)
	for code, value := range m.Options() {
		_ = append(value, 'x')
		m.SetOption(code, append([]byte("y"), value...))
	}
	m.SetOption(dhcp4.OptionRequestedIPAddress, []byte{1, 1, 1, 1})
	m.SetMessageType(dhcp4.MessageTypeRelease)
	if !bytes.Equal(b, before) {
		t.Errorf("datagram is\n%x, was\n%x", b, before)
	}
}

func TestGetters(t *testing.T) {
	full := decode(t, datagram(53, 1, 3, 50, 4, 10, 0, 0, 9, 54, 4, 10, 0, 0, 1, 51, 4, 0, 1, 0, 0, 61, 2, 1, 2, 55, 2, 3, 6,
		57, 2, 5, 0xdc, 12, 3, 'p', 'c', 0, 60, 4, 'M', 'S', 'F', 'T', 56, 2, 'n', 'o', 118, 4, 10, 0, 1, 0,
		3, 8, 10, 0, 0, 1, 10, 0, 0, 2, 82, 11, 1, 1, 'c', 5, 4, 10, 0, 2, 0, 19, 0, 255))
	malformed := decode(t, datagram(50, 3, 1, 2, 3, 54, 0, 51, 5, 1, 2, 3, 4, 5, 61, 0, 57, 1, 9, 118, 0, 3, 7, 1, 2, 3, 4, 5, 6,
		7, 82, 5, 5, 4, 1, 2, 3, 255))
	// get calls all getters, one result a line.
	get := func(m *dhcp4.Message) (list []string) {
		add := func(results ...any) { list = append(list, fmt.Sprint(results...)) }
		two := func(v any, ok bool) { add(v, ok) }
		add(m.MessageType())
		a, ok := m.RequestedIPAddress()
		two(a, ok)
		a, ok = m.ServerIdentifier()
		two(a, ok)
		a, ok = m.SubnetSelection()
		two(a, ok)
		as, ok := m.Addrs(dhcp4.OptionRouter)
		two(as, ok)
		d, ok := m.IPAddressLeaseTime()
		two(d, ok)
		v, ok := m.ClientIdentifier()
		two(v, ok)
		add(m.ParameterRequestList())
		add(m.MaximumMessageSize())
		add(m.HostName())
		add(m.ClassIdentifier())
		add(m.MessageText())
		v, ok = m.RelayAgentInfo()
		two(v, ok)
		v, ok = m.RelayAgentSub(dhcp4.AgentLinkSelection)
		two(v, ok)
		v, ok = m.RelayAgentSub(dhcp4.AgentRelaySourcePort)
		two(v, ok)
		v, ok = m.RelayAgentSub(dhcp4.AgentRemoteID)
		two(v, ok)
		return list
	}
	for _, test := range []struct {
		name  string
		m     *dhcp4.Message
		want  []string
		check string
	}{
		{"each option present", full, []string{"DHCPREQUEST", "10.0.0.9 true", "10.0.0.1 true", "10.0.1.0 true",
			"[10.0.0.1 10.0.0.2] true", "18h12m16s true", "[1 2] true", "[3 6]", "1500", "pc", "MSFT", "no",
			"[1 1 99 5 4 10 0 2 0 19 0] true", "[10 0 2 0] true", "[] true", "[] false"}, "<nil>"},
		{"each option absent", new(dhcp4.Message), []string{"BOOTP", "invalid IP false", "invalid IP false", "invalid IP false",
			"[] false", "0s false", "[] false", "[]", "576", "", "", "", "[] false", "[] false", "[] false", "[] false"}, "<nil>"},
		{"each option malformed", malformed, []string{"BOOTP", "invalid IP false", "invalid IP false", "invalid IP false",
			"[] false", "0s false", "[] false", "[]", "576", "", "", "", "[5 4 1 2 3] true", "[] false", "[] false", "[] false"},
			"dhcp4: option Requested IP Address (50) at octet 242: 3 octets instead of 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := get(test.m); !slices.Equal(got, test.want) {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
			if got := fmt.Sprint(test.m.Check()); got != test.check {
				t.Errorf("Check: got %s, want %s", got, test.check)
			}
		})
	}
	relay := decode(t, datagram(82, 7, 1, 1, 'c', 5, 4, 10, 0, 255))
	want := "dhcp4: option Relay Agent Information (82) at octet 242: suboption Link Selection: unexpected EOF"
	if got := fmt.Sprint(relay.Check()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSetters(t *testing.T) {
	var many []netip.Addr
	for i := range 20 {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	for _, test := range []struct {
		name string
		set  func(m *dhcp4.Message)
		want string
	}{
		{"a message type", func(m *dhcp4.Message) { m.SetMessageType(dhcp4.MessageTypeNak) }, "53=06"},
		{"no message type", func(m *dhcp4.Message) {
			m.SetMessageType(dhcp4.MessageTypeNak)
			m.SetMessageType(dhcp4.MessageTypeNone)
		}, ""},
		{"a server identifier", func(m *dhcp4.Message) { m.SetServerIdentifier(addr("10.0.0.1")) }, "54=0a000001"},
		{"two addresses", func(m *dhcp4.Message) { m.SetAddrs(3, addr("10.0.0.1"), addr("10.0.0.2")) }, "3=0a0000010a000002"},
		{"no address", func(m *dhcp4.Message) { m.SetAddrs(3) }, "3="},
		{"a time", func(m *dhcp4.Message) { m.SetIPAddressLeaseTime(time.Hour + time.Millisecond) }, "51=00000e10"},
		{"a negative time", func(m *dhcp4.Message) { m.SetIPAddressLeaseTime(-time.Hour) }, "51=00000000"},
		{"an endless time", func(m *dhcp4.Message) { m.SetIPAddressLeaseTime(dhcp4.InfiniteLease) }, "51=ffffffff"},
		{"a longer time", func(m *dhcp4.Message) { m.SetDuration(58, 1<<63-1) }, "58=ffffffff"},
		{"text", func(m *dhcp4.Message) { m.SetText(dhcp4.OptionMessage, "no") }, "56=6e6f"},
	} {
		var m dhcp4.Message
		test.set(&m)
		got := ""
		for code, value := range m.Options() {
			got += fmt.Sprintf("%d=%x", code, value)
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	var m dhcp4.Message
	m.SetAddrs(dhcp4.OptionDomainNameServer, many...)
	if got, ok := m.Addrs(dhcp4.OptionDomainNameServer); !ok || !slices.Equal(got, many) {
		t.Errorf("got %v, want %v", got, many)
	}
	m.SetIPAddressLeaseTime(dhcp4.InfiniteLease)
	if got, ok := m.IPAddressLeaseTime(); !ok || got != dhcp4.InfiniteLease {
		t.Errorf("got %v, want %v", got, dhcp4.InfiniteLease)
	}
}

// FuzzOptions compares a Message with a map and a list that do the same: each octet pair sets or deletes an option.
func FuzzOptions(f *testing.F) {
	f.Add([]byte{1, 4, 2, 8, 1, 0, 3, 200, 2, 0, 1, 255})
	f.Fuzz(func(t *testing.T, in []byte) {
		var m dhcp4.Message
		var order []dhcp4.OptionCode
		values := map[dhcp4.OptionCode]string{}
		in = in[:min(len(in), 2*100)] // all of which fits a datagram
		for ; len(in) >= 2; in = in[2:] {
			code, n := dhcp4.OptionCode(in[0]), int(in[1])
			if code == 0 || code == 52 || code == 53 || code == 255 {
				continue
			}
			if n == 0 {
				m.DelOption(code)
				order = slices.DeleteFunc(order, func(c dhcp4.OptionCode) bool { return c == code })
				delete(values, code)
				continue
			}
			value := bytes.Repeat([]byte{byte(n)}, n*2-2)
			m.SetOption(code, value)
			if _, ok := values[code]; !ok {
				order = append(order, code)
			}
			values[code] = string(value)
		}
		if got := codes(&m); !slices.Equal(got, order) {
			t.Fatalf("got options %d, want %d", got, order)
		}
		again := decode(t, encode(t, &m))
		for _, code := range order {
			got, ok := m.Option(code)
			sent, sentOK := again.Option(code)
			if !ok || !sentOK || string(got) != values[code] || string(sent) != values[code] {
				t.Fatalf("option %d: got %x, %v, sent %x, %v, want %x", code, got, ok, sent, sentOK, values[code])
			}
		}
		if got := len(codes(again)); got != len(order) {
			t.Fatalf("got %d options sent, want %d", got, len(order))
		}
	})
}

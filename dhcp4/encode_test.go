package dhcp4_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// wire returns the codes of the options in b[at:end] as they stand, each part, "end" for 255 and nothing for pad.
func wire(t *testing.T, b []byte) string {
	t.Helper()
	var list []string
	for len(b) > 0 {
		switch b[0] {
		case 0:
			b = b[1:]
		case 255:
			list = append(list, "end")
			if rest := bytes.Trim(b[1:], "\x00"); len(rest) > 0 {
				t.Errorf("octets behind the end option: %x", rest)
			}
			return strings.Join(list, " ")
		default:
			list = append(list, fmt.Sprintf("%d:%d", b[0], b[1]))
			b = b[2+int(b[1]):]
		}
	}
	return strings.Join(list, " ")
}

// blank returns an empty message as it is decoded, each address 0.0.0.0.
func blank() *dhcp4.Message {
	zero := addr("0.0.0.0")
	return &dhcp4.Message{ClientIPAddr: zero, YourIPAddr: zero, ServerIPAddr: zero, GatewayIPAddr: zero}
}

func TestEncodeOrder(t *testing.T) {
	request := decode(t, datagram(53, 1, 1, 55, 6, 6, 3, 99, 82, 53, 6, 255))
	reply := request.NewReply(nil, dhcp4.MessageTypeOffer)
	reply.SetOption(dhcp4.OptionRelayAgentInformation, []byte{1, 1, 1})
	for _, code := range []dhcp4.OptionCode{1, 3, 15, 6, 51, 54, 12} {
		reply.SetOption(code, []byte{1, 2, 3, 4})
	}
	got := wire(t, encode(t, reply)[240:])
	if want := "53:1 54:4 51:4 6:4 3:4 1:4 15:4 12:4 82:3 end"; got != want {
		t.Errorf("asked for 6 3 99 82 53 6: got %s, want %s", got, want)
	}

	// Without a list there is no order but the one in which they were set.
	request.DelOption(dhcp4.OptionParameterRequestList)
	request.SetOption(dhcp4.OptionRelayAgentInformation, []byte{1, 1, 1})
	request.SetOption(dhcp4.OptionHostName, []byte("a"))
	request.SetOption(dhcp4.OptionServerIdentifier, []byte{1, 2, 3, 4})
	if got, want := wire(t, encode(t, request)[240:]), "53:1 12:1 54:4 82:3 end"; got != want {
		t.Errorf("without a list: got %s, want %s", got, want)
	}
}

// Random options, few and many, set again and removed, and random lists of what the client asks for: the order is the
// documented one.
func TestEncodeOrderRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		some := func(n int) (list []byte) {
			for range rnd.IntN(n + 1) {
				if code := byte(1 + rnd.IntN(254)); code != byte(dhcp4.OptionOptionOverload) {
					list = append(list, code)
				}
			}
			return list
		}
		asked := some(40)
		options := append(some(rnd.IntN(200)), asked[:rnd.IntN(len(asked)+1)]...)
		rnd.Shuffle(len(options), func(i, j int) { options[i], options[j] = options[j], options[i] })
		var request dhcp4.Message
		request.SetMessageType(dhcp4.MessageTypeDiscover)
		request.SetOption(dhcp4.OptionParameterRequestList, asked)
		reply := request.NewReply(nil, dhcp4.MessageTypeOffer)
		reply.MaximumSize = 0
		set := []byte{53}
		for _, code := range options {
			value := make([]byte, rnd.IntN(40))
			if code == 53 {
				value = value[:0]
			}
			reply.SetOption(dhcp4.OptionCode(code), value)
			if !bytes.Contains(set, []byte{code}) {
				set = append(set, code)
			}
			if rnd.IntN(10) == 0 {
				reply.DelOption(dhcp4.OptionCode(code))
				set = bytes.ReplaceAll(set, []byte{code}, nil)
			}
		}
		var want []byte
		for _, code := range slices.Concat([]byte{53, 54, 51}, asked, set) {
			if code != 82 && bytes.Contains(set, []byte{code}) && !bytes.Contains(want, []byte{code}) {
				want = append(want, code)
			}
		}
		if bytes.Contains(set, []byte{82}) {
			want = append(want, 82)
		}
		var got []byte
		for b := encode(t, reply)[240:]; b[0] != 255; b = b[2+b[1]:] {
			got = append(got, b[0])
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("asked for %d, set %d:\n got %d\nwant %d", asked, set, got, want)
		}
	}
}

func TestEncodePads(t *testing.T) {
	var m dhcp4.Message
	if got := len(encode(t, &m)); got != 300 {
		t.Errorf("got %d octets of an empty message, want 300", got)
	}
	m.SetOption(dhcp4.OptionVendorSpecificInformation, make([]byte, 57))
	if got := len(encode(t, &m)); got != 300 {
		t.Errorf("got %d octets of a full message, want 300", got)
	}
	m.SetOption(dhcp4.OptionVendorSpecificInformation, make([]byte, 58))
	if got := len(encode(t, &m)); got != 301 {
		t.Errorf("got %d octets of a message of 301", got)
	}
}

func TestAppendBinaryAppends(t *testing.T) {
	m := decode(t, captured(t, "offer-relayed"))
	got, err := m.AppendBinary([]byte("before"))
	if err != nil || !bytes.Equal(got, append([]byte("before"), encode(t, m)...)) {
		t.Errorf("got %x, %v", got, err)
	}
	m.MaximumSize = 300
	m.SetOption(dhcp4.OptionVendorSpecificInformation, make([]byte, 100))
	want := append([]byte("before"), encode(t, m)...) // in file
	if got, err := m.AppendBinary([]byte("before")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("overloaded: got %x, %v", got, err)
	}
	m.SetOption(dhcp4.OptionVendorSpecificInformation, make([]byte, 1000))
	if got, err := m.AppendBinary([]byte("before")); err == nil || string(got) != "before" {
		t.Errorf("after an error: got %x, %v, want what was there", got, err)
	}
}

// RFC 3396: a value of more than 255 octets is split, and joined again.
func TestEncodeSplits(t *testing.T) {
	for n, want := range map[int]string{0: "43:0 end", 255: "43:255 end", 256: "43:255 43:1 end", 511: "43:255 43:255 43:1 end"} {
		var m dhcp4.Message
		value := make([]byte, n)
		for i := range value {
			value[i] = byte(i)
		}
		m.SetOption(dhcp4.OptionVendorSpecificInformation, value)
		b := encode(t, &m)
		if got := wire(t, b[240:]); got != want {
			t.Errorf("%d octets: got %s, want %s", n, got, want)
		}
		if got, _ := decode(t, b).Option(dhcp4.OptionVendorSpecificInformation); !bytes.Equal(got, value) {
			t.Errorf("%d octets: got %x", n, got)
		}
	}
}

func TestEncodeOverload(t *testing.T) {
	type set struct {
		code dhcp4.OptionCode
		n    int
	}
	for _, test := range []struct {
		name              string
		options           []set // behind 53
		bootFile          string
		hostName          string
		size              int // of the message
		main, file, sname string
	}{
		{name: "what fits stays in the options", options: []set{{82, 6}, {43, 200}, {44, 92}}, size: 548,
			main: "53:1 43:200 44:92 82:6 end"},
		{name: "with one more octet file is used", options: []set{{82, 6}, {43, 200}, {44, 93}}, size: 457,
			main: "53:1 52:1=1 43:200 82:6 end", file: "44:93 end"},
		{name: "file, then sname, then what is left of the options", size: 534,
			options: []set{{43, 250}, {44, 100}, {45, 61}, {46, 20}, {47, 11}},
			main:    "53:1 52:1=3 43:250 46:20 47:11 end", file: "44:100 end", sname: "45:61 end"},
		{name: "a boot file name keeps its field", options: []set{{43, 250}, {44, 61}}, bootFile: "pxelinux.0", size: 499,
			main: "53:1 52:1=2 43:250 end", sname: "44:61 end"},
		{name: "a server host name keeps its field", options: []set{{43, 250}, {44, 61}}, hostName: "tftp", size: 499,
			main: "53:1 52:1=1 43:250 end", file: "44:61 end"},
		{name: "what has room nowhere is split over all", options: []set{{43, 200}, {44, 255}}, size: 548,
			main: "53:1 52:1=3 43:200 44:97 end", file: "44:125 end", sname: "44:33 end"},
		{name: "what is long is split over all", options: []set{{43, 470}}, size: 548,
			main: "53:1 52:1=3 43:255 43:42 end", file: "43:125 end", sname: "43:48 end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := blank()
			m.MaximumSize = dhcp4.DefaultMaximumSize
			m.BootFileName, m.ServerHostName = []byte(test.bootFile), []byte(test.hostName)
			m.SetMessageType(dhcp4.MessageTypeAck)
			for _, o := range test.options {
				value := make([]byte, o.n)
				for i := range value {
					value[i] = byte(i)
				}
				m.SetOption(o.code, value)
			}
			b := encode(t, m)
			if len(b) != test.size {
				t.Errorf("got %d octets, want %d", len(b), test.size)
			}
			main := wire(t, b[240:])
			if i := bytes.Index(b[240:], []byte{52, 1}); i >= 0 {
				main = strings.Replace(main, "52:1", fmt.Sprintf("52:1=%d", b[240+i+2]), 1)
			}
			if main != test.main {
				t.Errorf("options: got %s, want %s", main, test.main)
			}
			if test.bootFile == "" {
				if got := wire(t, b[108:236]); got != test.file {
					t.Errorf("file: got %s, want %s", got, test.file)
				}
			}
			if test.hostName == "" {
				if got := wire(t, b[44:108]); got != test.sname {
					t.Errorf("sname: got %s, want %s", got, test.sname)
				}
			}
			if got, want := content(decode(t, b)), content(m); got != want {
				t.Errorf("decoded:\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(m *dhcp4.Message)
		want string
		is   error
	}{
		{"a long hardware address", func(m *dhcp4.Message) { m.ClientHWAddr = make([]byte, 20) },
			"dhcp4: ClientHWAddr of 20 octets: does not fit in 16", dhcp4.ErrTooLong},
		{"a long server host name", func(m *dhcp4.Message) { m.ServerHostName = make([]byte, 65) },
			"dhcp4: ServerHostName of 65 octets: does not fit in 64", dhcp4.ErrTooLong},
		{"a long boot file name", func(m *dhcp4.Message) { m.BootFileName = make([]byte, 129) },
			"dhcp4: BootFileName of 129 octets: does not fit in 128", dhcp4.ErrTooLong},
		{"an IPv6 address", func(m *dhcp4.Message) { m.YourIPAddr = addr("::1") },
			"dhcp4: ciaddr invalid IP, yiaddr ::1, siaddr invalid IP, giaddr invalid IP: address is not IPv4", nil},
		{"an IPv4 address in an IPv6 one", func(m *dhcp4.Message) { m.ServerIPAddr = addr("::ffff:10.0.0.1") },
			"dhcp4: ciaddr invalid IP, yiaddr invalid IP, siaddr ::ffff:10.0.0.1, giaddr invalid IP: address is not IPv4", nil},
		{"an IPv6 address in an option", func(m *dhcp4.Message) { m.SetServerIdentifier(addr("::1")) },
			"dhcp4: option Server Identifier (54): address is not IPv4", nil},
		{"option 52", func(m *dhcp4.Message) { m.SetOption(dhcp4.OptionOptionOverload, []byte{1}) },
			"dhcp4: option Option Overload (52): part of the encoding, not to be set", nil},
		{"an option too long for all fields", func(m *dhcp4.Message) { m.SetOption(43, make([]byte, 500)) },
			"dhcp4: option Vendor Specific Information (43): does not fit", dhcp4.ErrTooLong},
		{"the first option that has no room", func(m *dhcp4.Message) {
			m.SetOption(43, make([]byte, 255))
			m.SetOption(44, make([]byte, 125))
			m.SetOption(45, make([]byte, 61))
			m.SetOption(46, make([]byte, 62))
		}, "dhcp4: option NetBIOS over TCP/IP Node Type (46): does not fit", dhcp4.ErrTooLong},
		{"an option without octets that has no room", func(m *dhcp4.Message) {
			m.SetOption(43, make([]byte, 255))
			m.SetOption(44, make([]byte, 42))
			m.SetOption(45, make([]byte, 125))
			m.SetOption(46, make([]byte, 61))
			m.SetOption(80, nil)
		}, "dhcp4: option Rapid Commit (80): does not fit", dhcp4.ErrTooLong},
		{"option 82 too long for the options field", func(m *dhcp4.Message) { m.SetOption(82, make([]byte, 400)) },
			"dhcp4: option Relay Agent Information (82): does not fit", dhcp4.ErrTooLong},
		{"option 53 too long for the options field", func(m *dhcp4.Message) { m.SetOption(53, make([]byte, 500)) },
			"dhcp4: option DHCP Message Type (53): does not fit", dhcp4.ErrTooLong},
		{"option 53 that leaves no room for 52", func(m *dhcp4.Message) {
			m.SetOption(53, make([]byte, 302))
			m.SetOption(43, make([]byte, 100))
		}, "dhcp4: option DHCP Message Type (53): does not fit", dhcp4.ErrTooLong},
		{"an option too long for a datagram", func(m *dhcp4.Message) {
			m.MaximumSize = 0
			m.SetOption(43, make([]byte, 65500))
		}, "dhcp4: option Vendor Specific Information (43): does not fit", dhcp4.ErrTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := dhcp4.Message{MaximumSize: dhcp4.DefaultMaximumSize}
			m.SetMessageType(dhcp4.MessageTypeAck)
			test.set(&m)
			_, err := m.MarshalBinary()
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
}

// A reply that is too long can be sent without the options that the error names, one after the other.
func TestEncodeTooLongIsMended(t *testing.T) {
	var m dhcp4.Message
	m.MaximumSize = dhcp4.DefaultMaximumSize
	m.SetMessageType(dhcp4.MessageTypeAck)
	for code := dhcp4.OptionCode(100); code < 110; code++ {
		m.SetOption(code, make([]byte, 90))
	}
	for {
		_, err := m.MarshalBinary()
		if err == nil {
			break
		}
		var o *dhcp4.OptionError
		if !errors.As(err, &o) || !errors.Is(err, dhcp4.ErrTooLong) {
			t.Fatal(err)
		}
		m.DelOption(o.Code)
	}
	// Three whole ones in the options, one in file, one split over what is left.
	if got, want := len(codes(&m)), 1+5; got != want {
		t.Errorf("got %d options left, want %d", got, want)
	}
}

// Random sets of options and sizes: what is written fits, is read again the same, and insomniacslk reads it the same where
// nothing is overloaded, which it does not know.
func TestEncodeRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		m := blank()
		m.ClientHWAddr = make([]byte, rnd.IntN(17))
		m.MaximumSize = 300 + rnd.IntN(1200)
		if rnd.IntN(3) == 0 {
			m.BootFileName = []byte("file")
		}
		m.SetMessageType(dhcp4.MessageTypeAck)
		for range rnd.IntN(30) {
			code := dhcp4.OptionCode(1 + rnd.IntN(254))
			if code == dhcp4.OptionOptionOverload || code == dhcp4.OptionDHCPMessageType {
				continue
			}
			value := make([]byte, rnd.IntN(1+rnd.IntN(100)+rnd.IntN(2)*rnd.IntN(300)))
			for i := range value {
				value[i] = byte(rnd.Uint32())
			}
			m.SetOption(code, value)
		}
		b, err := m.MarshalBinary()
		if err != nil {
			if !errors.Is(err, dhcp4.ErrTooLong) {
				t.Fatal(err)
			}
			continue
		}
		if len(b) > m.MaximumSize {
			t.Fatalf("%d octets, more than %d", len(b), m.MaximumSize)
		}
		if got, want := content(decode(t, b)), content(m); got != want {
			t.Fatalf("of %d:\n got %s\nwant %s", m.MaximumSize, got, want)
		}
		if p, err := dhcpv4.FromBytes(b); err != nil {
			t.Fatalf("insomniacslk: %v", err)
		} else if !p.Options.Has(dhcpv4.OptionOptionOverload) {
			if other, err := dhcp4.FromV4(p); err != nil || content(other) != content(m) {
				t.Fatalf("insomniacslk: %v\n got %s\nwant %s", err, content(other), content(m))
			}
		}
	}
}

package dhcp4_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// Two other decoders read the same.
func TestDecodeLikeOthers(t *testing.T) {
	for _, name := range capturedNames(t) {
		t.Run(name, func(t *testing.T) {
			b := captured(t, name)
			m := decode(t, b)
			likeInsomniacslk(t, m, b)
			likeGopacket(t, m, b)
		})
	}
}

func likeInsomniacslk(t *testing.T, m *dhcp4.Message, b []byte) {
	t.Helper()
	p, err := dhcpv4.FromBytes(b)
	if err != nil {
		t.Fatalf("insomniacslk: %v", err)
	}
	other, err := dhcp4.FromV4(p)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := content(m), content(other); got != want {
		t.Errorf("\n         got %s\ninsomniacslk %s", got, want)
	}
}

func likeGopacket(t *testing.T, m *dhcp4.Message, b []byte) {
	t.Helper()
	var p layers.DHCPv4
	if err := p.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err != nil {
		t.Fatalf("gopacket: %v", err)
	}
	got := fmt.Sprint(m.OpCode, m.HWType, m.HopCount, m.TransactionID, m.NumSeconds, m.Flags, m.ClientIPAddr,
		m.YourIPAddr, m.ServerIPAddr, m.GatewayIPAddr, net.HardwareAddr(m.ClientHWAddr))
	xid := dhcp4.TransactionID{byte(p.Xid >> 24), byte(p.Xid >> 16), byte(p.Xid >> 8), byte(p.Xid)}
	want := fmt.Sprint(dhcp4.OpCode(p.Operation), dhcp4.HWType(p.HardwareType), p.HardwareOpts, xid, p.Secs, p.Flags,
		p.ClientIP, p.YourClientIP, p.NextServerIP, p.RelayAgentIP, p.ClientHWAddr)
	if got != want {
		t.Errorf("header:\n     got %s\ngopacket %s", got, want)
	}
	if !bytes.Equal(m.ServerHostName, bytes.TrimRight(p.ServerName, "\x00")) ||
		!bytes.Equal(m.BootFileName, bytes.TrimRight(p.File, "\x00")) {
		t.Errorf("got sname %q and file %q, gopacket %q and %q", m.ServerHostName, m.BootFileName, p.ServerName, p.File)
	}
	for _, o := range p.Options {
		if o.Type == layers.DHCPOptEnd || o.Type == layers.DHCPOptPad {
			continue
		}
		if value, ok := m.Option(dhcp4.OptionCode(o.Type)); !ok || !bytes.Equal(value, o.Data) {
			t.Errorf("option %d: got %x, %v, gopacket %x", o.Type, value, ok, o.Data)
		}
	}
}

// Every DHCP message of the captures, where they are at hand: read like the other decoders read it, and, as the servers'
// answers stand in the order in which we write, written to the same octets.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob("../../shared/fixtures/*/capture.pcap")
	if len(files) == 0 {
		t.Skip("no captures here: testdata holds one of each kind")
	}
	count := 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for {
			frame, _, err := r.ReadPacketData()
			if err != nil {
				break // the captures were killed: the last frame may be cut
			}
			p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
			udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
			if !ok || udp.DstPort != 67 && udp.DstPort != 68 {
				continue
			}
			count++
			m := decode(t, udp.Payload)
			if m.MessageType() != dhcp4.MessageTypeNone {
				likeInsomniacslk(t, m, udp.Payload)
				likeGopacket(t, m, udp.Payload)
			}
			if err := m.Check(); err != nil {
				t.Errorf("%s: %v: %v", name, m, err)
			}
			out := encode(t, m)
			if m.OpCode == dhcp4.OpcodeBootReply && !bytes.HasPrefix(out, udp.Payload) {
				t.Errorf("%s: %v:\n got %x\nwant %x", name, m, out, udp.Payload)
			}
			if got, want := content(decode(t, out)), content(m); got != want {
				t.Errorf("%s: decoded again:\n got %s\nwant %s", name, got, want)
			}
		}
		f.Close()
	}
	if count == 0 {
		t.Error("no DHCP message in the captures")
	}
}

func TestDecodeTolerates(t *testing.T) {
	for _, test := range []struct {
		name string
		in   []byte
		want map[dhcp4.OptionCode]string
	}{
		{"no end option", datagram(53, 1, 1), map[dhcp4.OptionCode]string{53: "\x01"}},
		{"pad between and behind", datagram(0, 0, 53, 1, 1, 0, 12, 1, 'a', 255, 0, 0),
			map[dhcp4.OptionCode]string{53: "\x01", 12: "a"}},
		{"rubbish behind the end", datagram(53, 1, 1, 255, 77, 99), map[dhcp4.OptionCode]string{53: "\x01"}},
		{"an option without octets", datagram(53, 1, 1, 12, 0, 80, 0, 255),
			map[dhcp4.OptionCode]string{53: "\x01", 12: "", 80: ""}},
		{"no options behind the cookie", datagram(), nil},
		{"no cookie", datagram()[:236], nil},
		{"a cut cookie", datagram()[:238], nil},
		{"another cookie", append(datagram()[:236], 1, 2, 3, 4, 53, 9, 9), nil},
		{"an overload of a value unknown, and of none", datagram(53, 1, 1, 52, 0, 52, 1, 4, 255),
			map[dhcp4.OptionCode]string{53: "\x01"}},
		{"a length that is not its type's", datagram(53, 1, 3, 50, 3, 1, 2, 3, 57, 1, 9, 255),
			map[dhcp4.OptionCode]string{53: "\x03", 50: "\x01\x02\x03", 57: "\x09"}},
		{"an option in three parts, another between them", datagram(53, 1, 1, 12, 2, 'a', 'b', 43, 1, 'v', 12, 1, 'c',
			12, 0, 43, 1, 'w', 12, 1, 'd', 255), map[dhcp4.OptionCode]string{53: "\x01", 12: "abcd", 43: "vw"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := decode(t, test.in)
			got := map[dhcp4.OptionCode]string{}
			for code, value := range m.Options() {
				got[code] = string(value)
				if v, ok := m.Option(code); !ok || !bytes.Equal(v, value) {
					t.Errorf("Option(%d) = %x, %v, but Options gives %x", code, v, ok, value)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) && len(got)+len(test.want) > 0 {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// The text of a field ends with the field if there is no NUL in it, and can be written again.
func TestDecodeFullFields(t *testing.T) {
	b := datagram(53, 1, 1, 255)
	host, file := bytes.Repeat([]byte("h"), 64), bytes.Repeat([]byte("f"), 128)
	copy(b[44:], host)
	copy(b[108:], file)
	m := decode(t, b)
	if !bytes.Equal(m.ServerHostName, host) || !bytes.Equal(m.BootFileName, file) {
		t.Errorf("got %q and %q", m.ServerHostName, m.BootFileName)
	}
	if got := encode(t, m); !bytes.HasPrefix(got, b) {
		t.Errorf("got  %x\nwant %x", got, b)
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := datagram()
	long[2] = 17 // hlen
	file := datagram(52, 1, 1, 53, 1, 1, 255)
	copy(file[108+125:], []byte{12, 2, 'a'})
	for _, test := range []struct {
		name string
		in   []byte
		want string
		is   error
	}{
		{"nothing", nil, "dhcp4: header at octet 0 of 236: unexpected EOF", io.ErrUnexpectedEOF},
		{"half a header", datagram()[:235], "dhcp4: header at octet 235 of 236: unexpected EOF", io.ErrUnexpectedEOF},
		{"a long hardware address", long, "dhcp4: hlen at octet 2 is 17: chaddr holds at most 16", nil},
		{"more than a datagram", make([]byte, 65508),
			"dhcp4: message of 65508 octets: does not fit in 65507, a UDP datagram", dhcp4.ErrTooLong},
		{"an option without its length", datagram(53, 1, 1, 12),
			"dhcp4: option Host Name (12) at octet 244: unexpected EOF", io.ErrUnexpectedEOF},
		{"an option that is cut", datagram(53, 1, 1, 50, 4, 10, 0, 0),
			"dhcp4: option Requested IP Address (50) at octet 245: unexpected EOF", io.ErrUnexpectedEOF},
		{"a cut option in file", file, "dhcp4: option Host Name (12) at octet 235: unexpected EOF", io.ErrUnexpectedEOF},
		{"a message type without octets", datagram(53, 0, 255),
			"dhcp4: option DHCP Message Type (53) at octet 242: 0 octets instead of 1", nil},
		{"two message types", datagram(53, 1, 1, 53, 1, 3, 255),
			"dhcp4: option DHCP Message Type (53): 2 octets instead of 1", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m dhcp4.Message
			err := m.UnmarshalBinary(test.in)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
}

func TestOptionErrorNamesTheOption(t *testing.T) {
	err := new(dhcp4.Message).UnmarshalBinary(datagram(53, 1, 1, 82, 9, 1))
	var o *dhcp4.OptionError
	if !errors.As(err, &o) || o.Code != dhcp4.OptionRelayAgentInformation || o.Octet != 245 {
		t.Errorf("got %#v, want option 82 at octet 245", err)
	}
}

// RFC 2131 4.1 and RFC 3396 5: options, then file, then sname, an option's parts joined in this order.
func TestDecodeOverload(t *testing.T) {
	// In each field: a part of 12, an option of its own (67 and 66), end, and what must not be read any more.
	const inFile, inSName = "\x0c\x05 file\x43\x01x\xff\x11\x01r", "\x0c\x06 sname\x42\x01y\xff\x11\x01r"
	for _, test := range []struct {
		name        string
		overload    byte
		hostName    string
		codes       []dhcp4.OptionCode
		file, sname string
	}{
		{"neither", 0, "main", []dhcp4.OptionCode{53, 12}, inFile, inSName},
		{"file", 1, "main file", []dhcp4.OptionCode{53, 12, 67}, "", inSName},
		{"sname", 2, "main sname", []dhcp4.OptionCode{53, 12, 66}, inFile, ""},
		{"both", 3, "main file sname", []dhcp4.OptionCode{53, 12, 67, 66}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := datagram(53, 1, 1, 12, 4, 'm', 'a', 'i', 'n', 52, 1, test.overload, 255)
			copy(b[108:], inFile)
			copy(b[44:], inSName)
			m := decode(t, b)
			if got := m.HostName(); got != test.hostName {
				t.Errorf("got host name %q, want %q", got, test.hostName)
			}
			if got := codes(m); !slices.Equal(got, test.codes) {
				t.Errorf("got options %d, want %d", got, test.codes)
			}
			if string(m.BootFileName) != test.file || string(m.ServerHostName) != test.sname {
				t.Errorf("got file %q, sname %q, want %q, %q", m.BootFileName, m.ServerHostName, test.file, test.sname)
			}
		})
	}
}

// Each proper prefix of a message is refused with an error that names an octet, or is a message that lacks its last options.
func TestDecodePrefixes(t *testing.T) {
	for _, name := range capturedNames(t) {
		b := captured(t, name)
		whole := codes(decode(t, b))
		for n := range b {
			var m dhcp4.Message
			err := m.UnmarshalBinary(b[:n])
			switch {
			case n < 236 && !errors.Is(err, io.ErrUnexpectedEOF):
				t.Errorf("%s[:%d]: got %v, want %v", name, n, err, io.ErrUnexpectedEOF)
			case err == nil && !slices.Equal(codes(&m), whole[:len(codes(&m))]):
				t.Errorf("%s[:%d]: got options %v of %v", name, n, codes(&m), whole)
			case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
				t.Errorf("%s[:%d]: %v", name, n, err)
			}
		}
	}
}

// What makes the most work: the largest datagram, with as many parts of as many options as it holds.
func TestDecodeManyParts(t *testing.T) {
	var options []byte
	for i := 0; len(options)+3 <= 65507-240; i++ {
		if code := byte(i); code != 0 && code != 52 && code != 53 && code != 255 {
			options = append(options, code, 1, byte(i>>8))
		}
	}
	m := decode(t, datagram(options...))
	if got := len(codes(m)); got != 252 {
		t.Errorf("got %d options, want 252", got)
	}
	value, _ := m.Option(100)
	for i := range value {
		if value[i] != byte(i) {
			t.Fatalf("got octet %d of option 100 %d, want %d", i, value[i], byte(i))
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, name := range capturedNames(f) {
		f.Add(captured(f, name))
	}
	f.Add(datagram(53, 1, 1, 52, 1, 3, 12, 1, 'a', 12, 1, 'b'))
	f.Add(datagram()[:236])
	f.Fuzz(func(t *testing.T, in []byte) {
		var m, again dhcp4.Message
		if m.UnmarshalBinary(in) != nil {
			return
		}
		_, _ = m.Check(), m.String()
		// What decodes encodes, if it need not be longer than a datagram; and in the least room if it fits.
		for _, m.MaximumSize = range []int{0, dhcp4.MinMessageSize} {
			out, err := m.AppendBinary(nil)
			if errors.Is(err, dhcp4.ErrTooLong) && (m.MaximumSize > 0 || len(in) > 65000) {
				continue
			}
			if err != nil {
				t.Fatalf("%x: %v", in, err)
			}
			if err := again.UnmarshalBinary(out); err != nil || content(&m) != content(&again) {
				t.Fatalf("%x\n%s\n%s\n%v", in, content(&m), content(&again), err)
			}
		}
		p, err := m.ToV4()
		if err != nil {
			t.Fatal(err)
		}
		if v4, err := dhcp4.FromV4(p); err != nil || content(v4) != content(&m) {
			t.Fatalf("through insomniacslk: %v\n%s\n%s", err, content(v4), content(&m))
		}
		if got := content(m.Clone()); got != content(&m) {
			t.Fatalf("clone:\n%s\n%s", got, content(&m))
		}
	})
}

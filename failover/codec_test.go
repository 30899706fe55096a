package failover

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// octets reads hexadecimal with spaces and lines in it.
func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// message returns a message of type typ with the options given in hexadecimal.
func message(t testing.TB, typ MessageType, options string) []byte {
	t.Helper()
	b := octets(t, "0000 00 0c 6b02db3e 00000007"+options)
	b[0], b[1], b[2] = byte(len(b)>>8), byte(len(b)), byte(typ)
	return b
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func split(t testing.TB, n int) pool.HBA {
	h, err := pool.Split(n)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func decode(t testing.TB, b []byte) *Frame {
	t.Helper()
	f := new(Frame)
	if err := f.UnmarshalBinary(b); err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	return f
}

func encode(t testing.TB, f *Frame) []byte {
	t.Helper()
	b, err := f.MarshalBinary()
	if err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	return b
}

// TestConversation has the messages of two ISC servers that meet, and what we take them for.
func TestConversation(t *testing.T) {
	at := func(secs int64) time.Time { return time.Unix(secs, 0).UTC() }
	const met = 0x6b02db3e // 2026-11-22 12:08:30
	tests := []struct {
		name string
		hex  string
		want Frame
	}{
		{"the primary greets on the connection that the secondary opened", `
			00 6d 05 0c 6b 02 db 3e 00 00 00 00
			00 16 00 07 68 61 2d 64 68 63 70
			00 0e 00 04 00 00 00 0a
			00 13 00 04 00 00 00 3c
			00 1c 00 0c 69 73 63 2d 34 2e 34 2e 33 2d 50 31
			00 14 00 01 01
			00 1b 00 01 00
			00 0f 00 04 00 00 00 3c
			00 0b 00 20 ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff
			            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00`,
			Frame{Time: at(met), Body: &Connect{Name: "ha-dhcp", MaxUnacked: 10, ReceiveTimer: time.Minute,
				VendorClass: "isc-4.4.3-P1", Version: 1, MCLT: time.Minute, HBA: split(t, 128)}}},
		{"the secondary agrees", `
			00 41 06 0c 6b 02 db 3e 00 00 00 00
			00 16 00 07 68 61 2d 64 68 63 70
			00 0e 00 04 00 00 00 0a
			00 13 00 04 00 00 00 3c
			00 1c 00 0c 69 73 63 2d 34 2e 34 2e 33 2d 50 31
			00 14 00 01 01
			00 1a 00 01 00`,
			Frame{Time: at(met), Body: &ConnectAck{Name: "ha-dhcp", MaxUnacked: 10, ReceiveTimer: time.Minute,
				VendorClass: "isc-4.4.3-P1", Version: 1}}},
		{"and tells its stored state, being in STARTUP", `
			00 1e 0a 0c 6b 02 db 3e 00 00 00 00
			00 18 00 01 06
			00 17 00 01 01
			00 19 00 04 6b 02 db 39`,
			Frame{Time: at(met), Body: &StateReport{State: Recover, Startup: true, Since: at(met - 5)}}},
		{"the primary has left STARTUP", `
			00 1e 0a 0c 6b 02 db 3e 00 00 00 02  00 18 00 01 06  00 17 00 01 00  00 19 00 04 6b 02 db 39`,
			Frame{Time: at(met), XID: 2, Body: &StateReport{State: Recover, Since: at(met - 5)}}},
		{"and wants all bindings", `00 0c 07 0c 6b 02 db 3e 00 00 00 03`,
			Frame{Time: at(met), XID: 3, Body: &UpdateRequestAll{}}},
		{"an address that nobody has used", `
			00 31 03 0c 6b 02 db 3e 00 00 00 04
			00 02 00 04 0a 00 0a 0a
			00 03 00 01 01
			00 0d 00 04 00 00 00 00
			00 12 00 04 00 00 00 00
			00 19 00 04 00 00 00 00`,
			Frame{Time: at(met), XID: 4, Body: &BindingUpdate{[]Binding{{Addr: addr("10.0.10.10"), Status: lease.Free}}}}},
		{"refused, for the primary's own update of it is under way", `
			00 52 04 0c 6b 02 db 3e 00 00 00 04
			00 02 00 04 0a 00 0a 0a
			00 15 00 01 10
			00 10 00 35` + hex.EncodeToString([]byte("incoming update is less critical than outgoing update")),
			Frame{Time: at(met), XID: 4, Body: &BindingAck{[]Result{{Addr: addr("10.0.10.10"), Reason: RejectLessCritical,
				Text: "incoming update is less critical than outgoing update"}}}}},
		{"the primary gives an address to the secondary", `
			00 31 03 0c 6b 02 db 3e 00 00 00 f8
			00 02 00 04 0a 00 0a 0a   00 03 00 01 07
			00 0d 00 04 00 00 00 00
			00 12 00 04 6b 02 db 3e
			00 19 00 04 6b 02 db 3e`,
			Frame{Time: at(met), XID: 248, Body: &BindingUpdate{[]Binding{{Addr: addr("10.0.10.10"), Status: lease.Backup,
				PotentialExpiry: at(met), Since: at(met)}}}}},
		{"a new lease, as long as MCLT, the partner told of half a minute more than the whole", `
			00 44 03 0c 6b 02 db 46 00 00 00 f7
			00 02 00 04 0a 00 0a 81
			00 03 00 01 02
			00 05 00 07 01 b6 ec 57 bf 93 3c
			00 0d 00 04 6b 02 db 82
			00 12 00 04 6b 0c 15 e4
			00 19 00 04 6b 02 db 46
			00 06 00 04 6b 02 db 46`,
			Frame{Time: at(met + 8), XID: 247, Body: &BindingUpdate{[]Binding{{Addr: addr("10.0.10.129"), Status: lease.Active,
				Client: lease.Client{HW: "\x01\xb6\xec\x57\xbf\x93\x3c"}, Expiry: at(met + 8 + 60),
				PotentialExpiry: at(met + 8 + 604830), Since: at(met + 8), LastTransaction: at(met + 8)}}}}},
		{"accepted", `00 14 04 0c 6b 02 db 48 00 00 00 f7  00 02 00 04 0a 00 0a 81`,
			Frame{Time: at(met + 10), XID: 247, Body: &BindingAck{[]Result{{Addr: addr("10.0.10.129")}}}}},
		{"nothing to say", `00 0c 0b 0c 6b 02 db 5a 00 00 00 f8`,
			Frame{Time: at(met + 28), XID: 248, Body: &Contact{}}},
		{"all has been told", `00 0c 08 0c 6b 02 db 3e 00 00 00 03`,
			Frame{Time: at(met), XID: 3, Body: &UpdateDone{}}},
		{"tell what is not acknowledged", `00 0c 09 0c 6b 02 db 3e 00 00 00 03`,
			Frame{Time: at(met), XID: 3, Body: &UpdateRequest{}}},
		{"the secondary runs short", `00 0c 01 0c 6b 02 e1 d3 00 00 00 05`,
			Frame{Time: at(0x6b02e1d3), XID: 5, Body: &PoolRequest{}}},
		{"and gets two addresses", `00 14 02 0c 6b 02 e1 d3 00 00 00 05  00 01 00 04 00 00 00 02`,
			Frame{Time: at(0x6b02e1d3), XID: 5, Body: &PoolResponse{Transferred: 2}}},
		{"a second connection is not wanted", `
			00 26 0c 0c 6b 02 db 3e 00 00 00 01
			00 15 00 01 07
			00 10 00 11 61 6c 72 65 61 64 79 20 63 6f 6e 6e 65 63 74 65 64`,
			Frame{Time: at(met), XID: 1, Body: &Disconnect{Reason: RejectDuplicateConnection, Text: "already connected"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := octets(t, test.hex)
			if got := decode(t, b); !reflect.DeepEqual(got, &test.want) {
				t.Errorf("read  %+v\nwant %+v", got, &test.want)
			}
			if got := encode(t, &test.want); !reflect.DeepEqual(got, b) {
				t.Errorf("wrote %x\nwant  %x", got, b)
			}
		})
	}
}

func TestUnmarshalErrors(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want FrameError // Err is compared by its text
	}{
		{"nothing", nil, FrameError{0, 0, 0, io.ErrUnexpectedEOF}},
		{"half a length", octets(t, "00"), FrameError{0, 0, 1, io.ErrUnexpectedEOF}},
		{"length 11", octets(t, "000b 0b 0c 00000000 000000"), FrameError{0, 0, 0, errors.New("length 11, want 12 to 2048")}},
		{"length 2049", octets(t, "0801 0b 0c 00000000 00000000"), FrameError{0, 0, 0, errors.New("length 2049, want 12 to 2048")}},
		{"half a header", octets(t, "000c 0b 0c 0000"), FrameError{0, 0, 6, io.ErrUnexpectedEOF}},
		{"more than the length says", octets(t, "000c 0b 0c 00000000 00000000 00"),
			FrameError{TypeContact, 0, 12, errors.New("1 octets after the message")}},
		{"payload offset 11", octets(t, "000c 0b 0b 00000000 00000000"),
			FrameError{TypeContact, 0, 3, errors.New("payload offset 11, want 12 to 12")}},
		{"payload offset beyond the end", octets(t, "000c 0b 0d 00000000 00000000"),
			FrameError{TypeContact, 0, 3, errors.New("payload offset 13, want 12 to 12")}},
		{"type 0", message(t, 0, ""), FrameError{0, 0, 2, ErrUnknownType}},
		{"type 13", message(t, 13, "0010 0001 61"), FrameError{13, 0, 2, ErrUnknownType}},
		{"type 255", message(t, 255, ""), FrameError{255, 0, 2, ErrUnknownType}},
		{"an octet of an option code", message(t, TypeContact, "00"), FrameError{TypeContact, 0, 12, io.ErrUnexpectedEOF}},
		{"an option without length", message(t, TypeState, "0018"), FrameError{TypeState, OptionServerState, 12, io.ErrUnexpectedEOF}},
		{"an option beyond the end", message(t, TypeState, "0018 0001 02 0019 0004 000000"),
			FrameError{TypeState, OptionStartTimeOfState, 17, io.ErrUnexpectedEOF}},
		{"an unknown option beyond the end", message(t, TypeContact, "ffff ffff 00"),
			FrameError{TypeContact, 0xffff, 12, io.ErrUnexpectedEOF}},
		{"IP-flags of one octet, as the draft draws them", message(t, TypeBindingUpdate, "0002 0004 0a000001 000c 0001 01"),
			FrameError{TypeBindingUpdate, OptionIPFlags, 20, errors.New("1 octets, want 2")}},
		{"an empty address", message(t, TypeBindingAck, "0002 0000"),
			FrameError{TypeBindingAck, OptionAssignedIPAddress, 12, errors.New("0 octets, want 4")}},
		{"TLS-request of two octets", message(t, TypeConnect, "001b 0002 0000"),
			FrameError{TypeConnect, OptionTLSRequest, 12, errors.New("2 octets, want 1")}},
		{"a name twice", message(t, TypeConnect, "0016 0001 61 0016 0001 61"),
			FrameError{TypeConnect, OptionRelationshipName, 17, errDuplicate}},
		{"a status twice in the second binding",
			message(t, TypeBindingUpdate, "0002 0004 0a000001 0003 0001 01 0002 0004 0a000002 0003 0001 01 0003 0001 01"),
			FrameError{TypeBindingUpdate, OptionBindingStatus, 38, errDuplicate}},
		{"a digest twice", message(t, TypeBindingAck, "0011 0001 01 0002 0004 0a000001 0002 0004 0a000002 0011 0001 01"),
			FrameError{TypeBindingAck, OptionMessageDigest, 33, errDuplicate}},
		{"a digest without a type", message(t, TypeContact, "0011 0000"),
			FrameError{TypeContact, OptionMessageDigest, 12, io.ErrUnexpectedEOF}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := new(Frame).UnmarshalBinary(test.b)
			var got *FrameError
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a FrameError", err)
			}
			if got.Error() != test.want.Error() || got.Octet != test.want.Octet {
				t.Errorf("got  %v\nwant %v", got, &test.want)
			}
			for _, sentinel := range []error{io.ErrUnexpectedEOF, ErrUnknownType} {
				if errors.Is(err, sentinel) != errors.Is(test.want.Err, sentinel) {
					t.Errorf("errors.Is(%v, %v) is wrong", err, sentinel)
				}
			}
		})
	}
}

// TestTolerance has what is odd and yet read, as ISC dhcpd reads it or better.
func TestTolerance(t *testing.T) {
	one, two := addr("10.0.0.1"), addr("10.0.0.2")
	tests := []struct {
		name string
		b    []byte
		want string // of Relative; names what is missing
	}{
		{"a longer header", octets(t, "0010 0b 10 6b02db3e 00000007 deadbeef"), "CONTACT"},
		{"an option that nobody knows", message(t, TypeState, "0063 0003 010203 0018 0001 02 0017 0001 00 0019 0004 6b02db3e"),
			"STATE NORMAL since=+0s"},
		{"an option code that is a known one in its low octet", message(t, TypeState, "0118 0001 02 0017 0001 00 0019 0004 6b02db3e"),
			"STATE since=+0s missing=server-state"},
		{"an option of other messages, twice and of a wrong length", message(t, TypeContact, "0018 0000 0018 0003 000000"), "CONTACT"},
		{"DDNS", message(t, TypeBindingAck, "0002 0004 0a000001 0009 0000"), "BNDACK 10.0.0.1"},
		{"an empty STATE", message(t, TypeState, ""), "STATE missing=server-flags,server-state,start-time-of-state"},
		{"an empty POOLRESP", message(t, TypePoolResponse, ""), "POOLRESP transferred=0"},
		{"an empty BNDUPD is a binding that lacks all", message(t, TypeBindingUpdate, ""),
			"BNDUPD missing=assigned-IP-address,binding-status,lease-expiration-time,potential-expiration-time,start-time-of-state"},
		{"an empty BNDACK", message(t, TypeBindingAck, ""), "BNDACK missing=assigned-IP-address"},
		{"an empty CONNECT", message(t, TypeConnect, ""), "CONNECT missing=hash-bucket-assignment,MCLT,protocol-version,TLS-request"},
		{"an empty CONNECTACK", message(t, TypeConnectAck, ""), "CONNECTACK missing=protocol-version,TLS-reply"},
		{"an empty DISCONNECT", message(t, TypeDisconnect, ""), "DISCONNECT"},
		{"hash buckets of 31 octets are as good as none", message(t, TypeConnect, "000b 001f "+strings.Repeat("ff", 31)),
			"CONNECT missing=hash-bucket-assignment,MCLT,protocol-version,TLS-request"},
		{"an address after its status", message(t, TypeBindingUpdate,
			"0003 0001 01 0002 0004 0a000001 000d 0004 00000000 0012 0004 00000000 0019 0004 00000000"), "BNDUPD 10.0.0.1 FREE"},
		{"several bindings", message(t, TypeBindingUpdate, "0002 0004 0a000001 0003 0001 01 0002 0004 0a000002"),
			"BNDUPD 10.0.0.1 FREE missing=lease-expiration-time,potential-expiration-time,start-time-of-state;" +
				" 10.0.0.2 missing=binding-status,lease-expiration-time,potential-expiration-time,start-time-of-state"},
		{"several results", message(t, TypeBindingAck, "0002 0004 0a000001 0015 0001 02 0002 0004 0a000002"),
			"BNDACK 10.0.0.1 rejected 2 (fatal conflict); 10.0.0.2"},
		{"a binding status without a name", message(t, TypeBindingUpdate, "0002 0004 0a000001 0003 0001 09 "+
			"000d 0004 00000000 0012 0004 00000000 0019 0004 00000000"), "BNDUPD 10.0.0.1 STATUS(9)"},
		{"a state without a name", message(t, TypeState, "0018 0001 63 0017 0001 fe 0019 0004 00000000"), "STATE STATE(99)"},
		{"a refusal for the reserved reason 0 is a refusal", message(t, TypeBindingAck, "0002 0004 0a000001 0015 0001 00"),
			"BNDACK 10.0.0.1 rejected 254 (unknown)"},
		{"a time ISC dhcpd would store as never", message(t, TypeBindingUpdate, "0002 0004 0a000001 0003 0001 02 "+
			"000d 0004 ffffffff 0012 0004 80000000 0019 0004 7ffffffe"), "BNDUPD 10.0.0.1 ACTIVE expiry=never potential=never since=+97815h5m36s"},
		{"flags without a name", message(t, TypeBindingUpdate, "0002 0004 0a000001 0003 0001 02 "+
			"000d 0004 00000000 0012 0004 00000000 0019 0004 00000000 000c 0002 fffd"), "BNDUPD 10.0.0.1 ACTIVE reserved"},
		{"options of the client", message(t, TypeBindingUpdate, "0002 0004 0a000001 0003 0001 02 000d 0004 00000000 "+
			"0012 0004 00000000 0019 0004 00000000 0007 0001 aa 0008 0001 bb"),
			"BNDUPD 10.0.0.1 ACTIVE reply-options=aa request-options=bb"},
		{"vendor options and a digest", message(t, TypeContact, "001d 0004 00010000 0011 0003 01abcd"),
			"CONTACT vendor-options=00010000 digest=1/abcd"},
		{"delayed service", message(t, TypeConnect, "000a 0001 ff 0014 0001 01 001b 0001 02 000f 0004 ffffffff 000b 0020"+strings.Repeat("01", 32)),
			"CONNECT mclt=1193046h28m15s buckets=32 delayed-service=4m15s version=1 tls=2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := decode(t, test.b)
			if got := f.Relative(f.Time); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	f := decode(t, message(t, TypeBindingUpdate, "0002 0004 0a000001 0003 0001 01 0002 0004 0a000002"))
	if b := f.Body.(*BindingUpdate).Bindings; b[0].Addr != one || b[1].Addr != two || b[1].Status != 0 {
		t.Errorf("got %+v", b)
	}
}

func TestMarshalErrors(t *testing.T) {
	at := time.Unix(0x6b02db3e, 0)
	good := Binding{Addr: addr("10.0.0.1"), Status: lease.Free}
	bnd := func(change func(b *Binding)) Body {
		b := good
		change(&b)
		return &BindingUpdate{[]Binding{b}}
	}
	tests := []struct {
		name string
		body Body
		want string
	}{
		{"nothing", nil, "failover: at octet 0: no body"},
		{"no address", bnd(func(b *Binding) { b.Addr = netip.Addr{} }),
			"failover: BNDUPD: option assigned-IP-address at octet 12: invalid IP is not an IPv4 address"},
		{"an IPv6 address", &BindingAck{[]Result{{Addr: addr("::ffff:10.0.0.1")}}},
			"failover: BNDACK: option assigned-IP-address at octet 12: ::ffff:10.0.0.1 is not an IPv4 address"},
		{"no status", bnd(func(b *Binding) { b.Status = 0 }),
			"failover: BNDUPD: option binding-status at octet 20: Status(0) is not sent"},
		{"a status without a name", bnd(func(b *Binding) { b.Status = 8 }),
			"failover: BNDUPD: option binding-status at octet 20: Status(8) is not sent"},
		{"a time before 1970", bnd(func(b *Binding) { b.Since = time.Unix(-1, 0) }),
			fmt.Sprintf("failover: BNDUPD: option start-time-of-state at octet 41: %v is not within 1970 and %v", time.Unix(-1, 0), lease.Never)},
		{"1970 itself, which would read as never", bnd(func(b *Binding) { b.LastTransaction = time.Unix(0, 0).UTC() }),
			"failover: BNDUPD: option client-last-transaction-time at octet 49: 1970-01-01 00:00:00 +0000 UTC is not within 1970 and 2038-01-19 03:14:07 +0000 UTC"},
		{"a time after never", bnd(func(b *Binding) { b.PotentialExpiry = lease.Never.Add(time.Second) }),
			"failover: BNDUPD: option potential-expiration-time at octet 33: 2038-01-19 03:14:08 +0000 UTC is not within 1970 and 2038-01-19 03:14:07 +0000 UTC"},
		{"flags without a name", bnd(func(b *Binding) { b.Flags = 5 }),
			"failover: BNDUPD: option IP-flags at octet 49: 0x05 has bits without a name"},
		{"too much in all", bnd(func(b *Binding) { b.RequestOptions = strings.Repeat("x", 2000) }),
			"failover: BNDUPD: at octet 2053: 2053 octets, a message has at most 2048"},
		{"too much at once", bnd(func(b *Binding) { b.Client.ID = strings.Repeat("x", 70000) }),
			"failover: BNDUPD: option client-identifier at octet 25: 70000 octets, a message has at most 2048"},
		{"one binding of two without its address", func() Body {
			b := good
			b.Omit(OptionAssignedIPAddress)
			return &BindingUpdate{[]Binding{good, b}}
		}(), "failover: BNDUPD: option assigned-IP-address at octet 49: missing, and there are several bindings"},
		{"one result of two without its address", func() Body {
			r := Result{}
			r.Omit(OptionAssignedIPAddress)
			return &BindingAck{[]Result{{Addr: good.Addr}, r}}
		}(), "failover: BNDACK: option assigned-IP-address at octet 20: missing, and there are several results"},
		{"STARTUP is a flag", &StateReport{State: Startup}, "failover: STATE: option server-state at octet 12: startup is not sent"},
		{"no state", &StateReport{}, "failover: STATE: option server-state at octet 12: unknown-state is not sent"},
		{"a state without a name", &StateReport{State: 12}, "failover: STATE: option server-state at octet 12: State(12) is not sent"},
		{"half a second of MCLT", &Connect{Name: "x", MCLT: 1500 * time.Millisecond},
			"failover: CONNECT: option MCLT at octet 27: 1.5s is not 0 to 4294967295 whole seconds"},
		{"a negative receive-timer", &ConnectAck{ReceiveTimer: -time.Second},
			"failover: CONNECTACK: option receive-timer at octet 12: -1s is not 0 to 4294967295 whole seconds"},
		{"service delayed for too long", &Connect{DelayedService: 256 * time.Second},
			"failover: CONNECT: option delayed-service-parameter at octet 66: 4m16s is not 0 to 255 whole seconds"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := Frame{Time: at, Body: test.body}
			got, err := f.AppendBinary([]byte("before"))
			var bad *FrameError
			if !errors.As(err, &bad) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
			if string(got) != "before" {
				t.Errorf("buffer became %x", got)
			}
		})
	}
	for _, now := range []time.Time{time.Unix(-1, 0), time.Unix(1<<32, 0)} {
		f := Frame{Time: now, Body: &Contact{}}
		if _, err := f.MarshalBinary(); err == nil {
			t.Errorf("a message of %v was written", now)
		}
	}
}

func TestGreatestMessage(t *testing.T) {
	f := Frame{Time: time.Unix(1<<32-1, 0).UTC(), Body: &Contact{}, Vendor: strings.Repeat("v", maxFrame-headerSize-4)}
	b := encode(t, &f)
	if len(b) != maxFrame {
		t.Fatalf("%d octets", len(b))
	}
	if got := decode(t, b); !reflect.DeepEqual(got, &f) {
		t.Errorf("got %v", got)
	}
}

func TestAppend(t *testing.T) {
	two := []*Frame{{XID: 1, Body: &Contact{}}, {XID: 2, Body: &PoolResponse{Transferred: 3}}}
	var all []byte
	var want []byte
	for _, f := range two {
		var err error
		if all, err = f.AppendBinary(all); err != nil {
			t.Fatal(err)
		}
		want = append(want, encode(t, f)...)
	}
	if string(all) != string(want) {
		t.Errorf("got %x, want %x", all, want)
	}
}

func TestText(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"as long as may be", strings.Repeat("a", 254), strings.Repeat("a", 254)},
		{"longer", strings.Repeat("a", 255), strings.Repeat("a", 254)},
		{"a rune across the end", strings.Repeat("a", 253) + "é", strings.Repeat("a", 253)},
		{"a rune up to the end", strings.Repeat("a", 252) + "éx", strings.Repeat("a", 252) + "é"},
		{"a long rune across the end", strings.Repeat("a", 251) + "\U0001f511", strings.Repeat("a", 251)},
		{"no text at all", strings.Repeat("\x80", 300), strings.Repeat("\x80", 250)},
		{"a NUL", "name\x00rest", "name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := Frame{Body: &Disconnect{Reason: RejectUnknown, Text: test.text}}
			if got := decode(t, encode(t, &f)).Body.(*Disconnect).Text; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	// What comes in is not mended: a name with a NUL is another name.
	f := decode(t, message(t, TypeConnect, "0016 0003 686100"))
	if got := f.Body.(*Connect).Name; got != "ha\x00" {
		t.Errorf("got %q", got)
	}
}

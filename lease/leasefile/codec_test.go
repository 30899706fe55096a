package leasefile

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

var testNow = time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)

func read(t *testing.T, text string) declared {
	t.Helper()
	n, err := cut([]byte(text))
	if err != nil || strings.TrimSpace(text[n:]) != "" {
		t.Fatalf("cut: %v, with %q behind it", err, text[min(n, len(text)):])
	}
	d, err := parseStanza([]byte(text[:n]), testNow)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return d
}

// Whatever lease.Batch.Validate accepts comes back as it was.
func TestAnyLeaseComesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		want := leasetest.Random(r, leasetest.Addr(r.IntN(1<<24)))
		if err := (lease.Batch{Changes: []lease.Change{{New: want}}}).Validate(); err != nil {
			t.Fatal(err)
		}
		text := string(appendLease(nil, &want, r.IntN(2) == 0))
		if got := read(t, text); got.lease != want || !got.ours {
			t.Fatalf("got\n%#v\nwant\n%#v\nfrom\n%s", got.lease, want, text)
		}
	}
}

func TestAnyPeerComesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		name := make([]byte, r.IntN(20))
		for i := range name {
			name[i] = byte(r.IntN(256))
		}
		want := leasetest.RandomPeer(r, string(name))
		text := string(appendPeer(nil, &want))
		if got := read(t, text); got.peer != want || !got.ours {
			t.Fatalf("got\n%#v\nwant\n%#v\nfrom\n%s", got.peer, want, text)
		}
	}
}

func at(clock string) time.Time {
	t, err := time.Parse(time.DateTime, "2026-11-22 "+clock)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

// What ISC dhcpd would have written of the same lease, and Tandem's mark.
func TestEncodeLease(t *testing.T) {
	a := netip.MustParseAddr("10.0.10.129")
	client := lease.Client{HW: "\x01\xb6\xec\x57\xbf\x93\x3c"}
	granted := lease.Lease{
		Addr: a, Status: lease.Active, Client: client, Since: at("12:08:38"), Expiry: at("12:09:38"),
		LastTransaction: at("12:08:38"), SentPotentialExpiry: at("13:09:08"),
	}
	with := func(change func(l *lease.Lease)) lease.Lease {
		l := granted
		change(&l)
		return l
	}
	for _, test := range []struct {
		name     string
		lease    lease.Lease
		failover bool
		want     string
	}{
		{"nobody's", lease.Virgin(a), true, `
lease 10.0.10.129 {
  binding state free;
  # tandem
}
`},
		{"all that there can be, in ISC's order", with(func(l *lease.Lease) {
			l.Rewind, l.Flags = lease.Backup, lease.Reserved|lease.BOOTP
			l.AckedPotentialExpiry = l.SentPotentialExpiry
			l.Client.ID = "\x01\xb6\xecW\xbf\x93<\"\\"
			l.VendorClass, l.HostName, l.RelayInfo = "MSFT 5.0", "vm", "\x01\x04eth1\x02\x03\x0a\x0b\x0c"
		}), true, `
lease 10.0.10.129 {
  starts 0 2026/11/22 12:08:38;
  ends 0 2026/11/22 12:09:38;
  tstp 0 2026/11/22 13:09:08;
  tsfp 0 2026/11/22 13:09:08;
  atsfp 0 2026/11/22 13:09:08;
  cltt 0 2026/11/22 12:08:38;
  binding state active;
  next binding state expired;
  rewind binding state backup;
  reserved;
  dynamic-bootp;
  hardware ethernet b6:ec:57:bf:93:3c;
  uid "\001\266\354W\277\223<\"\\";
  set vendor-class-identifier = "MSFT 5.0";
  option agent.circuit-id "eth1";
  option agent.remote-id 0a:0b:0c;
  client-hostname "vm";
  # tandem
}
`},
		{"not acknowledged: no atsfp", with(func(l *lease.Lease) { l.Unacked = true }), true, `
lease 10.0.10.129 {
  starts 0 2026/11/22 12:08:38;
  ends 0 2026/11/22 12:09:38;
  tstp 0 2026/11/22 13:09:08;
  cltt 0 2026/11/22 12:08:38;
  binding state active;
  next binding state expired;
  hardware ethernet b6:ec:57:bf:93:3c;
  # tandem
}
`},
		{"the partner's: tsfp is what it told", with(func(l *lease.Lease) {
			l.SentPotentialExpiry, l.ReceivedPotentialExpiry = at("12:00:00"), at("13:09:08")
		}), true, `
lease 10.0.10.129 {
  starts 0 2026/11/22 12:08:38;
  ends 0 2026/11/22 12:09:38;
  tstp 0 2026/11/22 12:00:00;
  tsfp 0 2026/11/22 13:09:08;
  atsfp 0 2026/11/22 12:00:00;
  cltt 0 2026/11/22 12:08:38;
  binding state active;
  next binding state expired;
  hardware ethernet b6:ec:57:bf:93:3c;
  # tandem
}
`},
		{"without a partner: ISC would take the end for tstp", with(func(l *lease.Lease) {
			l.SentPotentialExpiry = time.Time{}
		}), false, `
lease 10.0.10.129 {
  starts 0 2026/11/22 12:08:38;
  ends 0 2026/11/22 12:09:38;
  cltt 0 2026/11/22 12:08:38;
  binding state active;
  next binding state free;
  hardware ethernet b6:ec:57:bf:93:3c;
  # tandem tstp=0 unacked=0
}
`},
		{"what ISC has no room or word for", lease.Lease{
			Addr: a, Status: lease.Released, Flags: 1 << 5, Client: lease.Client{HW: "\x07\xaa"}, Expiry: lease.Never,
			SentPotentialExpiry: lease.FromUnix(1 << 31), HostName: "zoë", RelayInfo: "\x05\x04\x0a\x00\x00\x01\x01\x01x",
		}, true, `
lease 10.0.10.129 {
  ends never;
  tstp never;
  atsfp never;
  binding state released;
  next binding state free;
  hardware unknown-7 aa;
  option agent.circuit-id "x";
  # tandem tstp=2147483648 flags=32 relay-info="\005\004\012\000\000\001\001\001x" hostname="zo\303\253"
}
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := string(appendLease(nil, &test.lease, test.failover))
			if want := test.want[1:]; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEncodePeer(t *testing.T) {
	for _, test := range []struct {
		name string
		peer lease.Peer
		want string
	}{
		{"a secondary's", lease.Peer{
			Name: "ha-dhcp", State: 2, Since: at("12:08:30"), Partner: 254, PartnerSince: at("12:08:31"), MCLT: time.Minute,
		}, `
failover peer "ha-dhcp" state {
  my state normal at 0 2026/11/22 12:08:30;
  partner state recover-wait at 0 2026/11/22 12:08:31;
  mclt 60;
  # tandem
}
`},
		{"a primary's, in states without a name", lease.Peer{Name: `a"b`, State: 99, Since: at("12:08:30")}, `
failover peer "a\"b" state {
  my state unknown-state at 0 2026/11/22 12:08:30;
  partner state unknown-state at epoch 0;
  # tandem my=99
}
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, want := string(appendPeer(nil, &test.peer)), test.want[1:]; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What others write, and how ISC dhcpd takes it (section 12 of the protocol's description).
func TestReadLease(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.5")
	for _, test := range []struct {
		name string
		text string
		want lease.Lease
	}{
		{"nothing but the address is free", ``, lease.Lease{Status: lease.Free}},
		{"no binding state, ends in the future: active", `ends 0 2026/11/22 13:30:00;`, lease.Lease{
			Status: lease.Active, Expiry: at("13:30:00"), SentPotentialExpiry: at("13:30:00"), Unacked: true,
		}},
		{"no binding state, ended: free", `ends 0 2026/11/22 12:30:00;`, lease.Lease{
			Status: lease.Free, Expiry: at("12:30:00"), SentPotentialExpiry: at("12:30:00"), Unacked: true,
		}},
		{"no binding state, but something to do at the end: active", `on expiry or release { log(info, "bye; }"); }`,
			lease.Lease{Status: lease.Active}},
		{"without tstp it is ends", `binding state active; ends 0 2026/11/22 13:30:00; atsfp 0 2026/11/22 13:30:00;`, lease.Lease{
			Status: lease.Active, Expiry: at("13:30:00"), SentPotentialExpiry: at("13:30:00"),
		}},
		{"tsfp that equals tstp was acknowledged", `binding state free; tstp 0 2026/11/22 13:30:00; tsfp 0 2026/11/22 13:30:00;`,
			lease.Lease{
				Status: lease.Free, SentPotentialExpiry: at("13:30:00"), AckedPotentialExpiry: at("13:30:00"), Unacked: true,
			}},
		{"another tsfp is the partner's", `binding state free; tstp 0 2026/11/22 13:00:00; tsfp 0 2026/11/22 13:30:00;
			atsfp 0 2026/11/22 13:30:00;`,
			lease.Lease{Status: lease.Free, SentPotentialExpiry: at("13:00:00"), ReceivedPotentialExpiry: at("13:30:00")}},
		{"atsfp before tstp: not acknowledged", `binding state free; tstp 0 2026/11/22 13:30:00; atsfp 0 2026/11/22 13:29:59;`,
			lease.Lease{Status: lease.Free, SentPotentialExpiry: at("13:30:00"), Unacked: true}},
		{"old forms", `binding state reserved;`, lease.Lease{Status: lease.Active, Flags: lease.Reserved}},
		{"old forms of BOOTP", `binding state bootp;`, lease.Lease{Status: lease.Active, Flags: lease.BOOTP}},
		{"old form of abandoned", `abandoned;`, lease.Lease{Status: lease.Abandoned}},
		{"flags", `binding state active; reserved; dynamic-bootp;`,
			lease.Lease{Status: lease.Active, Flags: lease.Reserved | lease.BOOTP}},
		{"rewind", `binding state backup; rewind binding state free; next binding state free;`,
			lease.Lease{Status: lease.Backup, Rewind: lease.Free}},
		{"an offset is added, as ISC does", `binding state free; cltt 6 2026/11/22 12:00:00 -3600;`,
			lease.Lease{Status: lease.Free, LastTransaction: at("11:00:00")}},
		{"local time format", "binding state free; cltt epoch 1795348800; # Sun Nov 22 13:00:00 2026\n",
			lease.Lease{Status: lease.Free, LastTransaction: at("12:00:00")}},
		{"never", `binding state free; cltt never;`, lease.Lease{Status: lease.Free, LastTransaction: lease.Never}},
		{"from 2038 on it is never", `binding state free; cltt 5 2038/01/01 00:00:00;`,
			lease.Lease{Status: lease.Free, LastTransaction: lease.Never}},
		{"1970 is not said", `binding state free; cltt 4 1970/01/01 00:00:00;`, lease.Lease{Status: lease.Free}},
		{"hardware in ISC's short form", `binding state free; hardware token-ring 0:a:ff;`,
			lease.Lease{Status: lease.Free, Client: lease.Client{HW: "\x06\x00\x0a\xff"}}},
		{"hardware without a name or an address", `binding state free; hardware unknown-255;`,
			lease.Lease{Status: lease.Free, Client: lease.Client{HW: "\xff"}}},
		{"uid in hexadecimal", `binding state free; uid 1:2:0:a0;`,
			lease.Lease{Status: lease.Free, Client: lease.Client{ID: "\x01\x02\x00\xa0"}}},
		{"uid as a string", `binding state free; uid "\000\001\n\x41\"\\#;}";`,
			lease.Lease{Status: lease.Free, Client: lease.Client{ID: "\x00\x01\nA\"\\#;}"}}},
		{"vendor class in hexadecimal", `binding state free; set vendor-class-identifier=4d:53;`,
			lease.Lease{Status: lease.Free, VendorClass: "MS"}},
		{"relay agent information", `binding state free; option agent.circuit-id a:b:c; option agent.remote-id "x"; option
			agent.unknown-151 00:41;`,
			lease.Lease{Status: lease.Free, RelayInfo: "\x01\x03\x0a\x0b\x0c\x02\x01x\x97\x02\x00A"}},
		{"what is not known is passed over", `binding state free; billing class "x"; set ddns-text = "}"; set n = %31; class "y";
			option agent.link-selection 10.0.0.1; billing subclass "x" 01:02 { nested { ; } } ; new-thing a b "c";
			on release { set x = "y"; } client-hostname bare-name;`,
			lease.Lease{Status: lease.Free, HostName: "bare-name"}},
		{"capitals and comments", "BINDING State Free; # } ;\n# lease 1.2.3.4 {\n Client-HostName \"A\";",
			lease.Lease{Status: lease.Free, HostName: "A"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := test.want
			want.Addr = a
			got := read(t, "lease 10.0.0.5 {\n"+test.text+"\n}\n")
			if got.lease != want || got.ours {
				t.Errorf("got\n%+v\nwant\n%+v", got.lease, want)
			}
		})
	}
}

func TestReadPeer(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       lease.Peer
	}{
		{"ISC's", `failover peer "ha-dhcp" state {
  my state potential-conflict at 0 2026/11/22 12:08:30;
  partner state recover-done at 0 2026/11/22 12:08:31;
  mclt 60;
}`, lease.Peer{Name: "ha-dhcp", State: 5, Since: at("12:08:30"), Partner: 9, PartnerSince: at("12:08:31"), MCLT: time.Minute}},
		{"the manual page's, without dates", `failover peer x state { my state partner-down; peer state normal; }`,
			lease.Peer{Name: "x", State: 4, Since: testNow, Partner: 2, PartnerSince: testNow}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := read(t, test.text).peer; got != test.want {
				t.Errorf("got\n%+v\nwant\n%+v", got, test.want)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`lease 10.0.0 { }`, `"10.0.0" is not an IPv4 address`},
		{`lease ::1 { }`, `"::1" is not an IPv4 address`},
		{`lease 10.0.0.5 { binding state gone; }`, `"gone" is not a binding state`},
		{`lease 10.0.0.5 { binding state free }`, `';' should stand where '}' stands`},
		{`lease 10.0.0.5 { ends 0 2026/13/22 12:00:00; }`, `is not a date`},
		{`lease 10.0.0.5 { ends 0 2026-11-22 12:00:00; }`, `is not a date`},
		{`lease 10.0.0.5 { ends tomorrow; }`, `"tomorrow" is not a number`},
		{`lease 10.0.0.5 { ends 0 1969/12/31 23:59:59; }`, `a time 1 s before 1970`},
		{`lease 10.0.0.5 { ends epoch 99999999999999999; }`, `is not a number`},
		{`lease 10.0.0.5 { hardware ethernet 1:2:xyz; }`, `is not octets`},
		{`lease 10.0.0.5 { hardware carrier-pigeon 1:2; }`, `is not a hardware type`},
		{`lease 10.0.0.5 { uid ; }`, `a string or octets should stand where ';' stands`},
		{`lease 10.0.0.5 { next state free; }`, `"binding" should stand where "state" stands`},
		{`lease 10.0.0.5 { unknown thing }`, `';' is missing before '}'`},
		{"lease 10.0.0.5 { # tandem sent=1\n}", `"sent" is nothing that stands behind Tandem's mark`},
		{"lease 10.0.0.5 { # tandem tstp=\"x\"\n}", `"tstp" is nothing that stands behind Tandem's mark`},
		{"lease 10.0.0.5 { # tandem tstp=4294967296\n}", `tstp is 4294967296`},
		{`failover peer "x" { }`, `a word should stand where '{' stands`},
		{`failover peer "x" state { my state happy; }`, `"happy" is not a state of a failover endpoint`},
		{`failover peer "x" state { mclt -1; }`, `no MCLT is -1 s`},
		{`subnet 10.0.0.0 { }`, `no stanza begins with "subnet"`},
	} {
		if _, err := parseStanza([]byte(test.text), testNow); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.text, err, test.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		name, text string
		rest       string // of text, behind the stanza
		err        error
	}{
		{"a statement", `server-duid "\";";x`, "x", nil},
		{"a block", "host x { a { b; } } y", " y", nil},
		{"braces in comments and strings", "lease 1 { # }\n \"}\"; }z", "z", nil},
		{"no end", "lease 1 { a;", "", errMore},
		{"no end of a string", `uid "a`, "", errMore},
		{"a string over two lines", "uid \"a\n\";", "", errString},
		{"a closing brace", "}", "", errBrace},
		{"broken off by the next", "lease 1 {\n  starts 0 20\nlease 2 {\n}", "", errBroken},
		{"perhaps broken off", "lease 1 {\n  starts 0 20\nleas", "", errMore},
		{"broken off by a commit", "failover peer \"x\" state {\n# begin 12\n", "", errBroken},
		{"an octet", "lease 1 {\x00}", "", errOctet},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := cut([]byte(test.text))
			if !errors.Is(err, test.err) || err == nil && test.text[n:] != test.rest {
				t.Errorf("got %q and %v, want %q and %v", test.text[n:], err, test.rest, test.err)
			}
		})
	}
}

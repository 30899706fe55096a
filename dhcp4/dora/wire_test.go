package dora

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// wireMessage reads a message of testdata/isc.txt: the octets before sname, and those after file.
func wireMessage(t *testing.T, s string) []byte {
	head, rest, _ := strings.Cut(s, " ")
	b, err := hex.DecodeString(head + strings.Repeat("00", 192) + rest)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, make([]byte, max(0, dhcp4.MinMessageSize-len(b)))...)
}

// The answers of ISC dhcpd to real clients, and ours to the same requests in the same situation, are the same octets.
func TestAnswersOfISC(t *testing.T) {
	text, err := os.ReadFile("testdata/isc.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range strings.Split(string(text), "\n\n")[1:] {
		lines := strings.Split(strings.TrimSpace(entry), "\n")
		t.Run(lines[0], func(t *testing.T) { testAnswerOfISC(t, addr(lines[1]), lines[2], lines[3]) })
	}
}

func testAnswerOfISC(t *testing.T, server netip.Addr, request, answer string) {
	want := wireMessage(t, answer)
	in := new(dhcp4.Message)
	if err := in.UnmarshalBinary(wireMessage(t, request)); err != nil {
		t.Fatal(err)
	}
	var isc dhcp4.Message
	if err := isc.UnmarshalBinary(want); err != nil {
		t.Fatal(err)
	}

	w := newWorld(t, "10.0.10.10", "10.0.10.29")
	w.cfg.Hosts = []Host{reservation("10.0.10.9")}
	length, _ := isc.IPAddressLeaseTime()
	w.cfg.Networks[0].Subnets[0].Settings.DefaultLease = length
	w.cfg.Networks[0].Subnets[0].Settings.MaxLease = length
	w.cfg.Networks = append(w.cfg.Networks, Network{Name: "10.0.20.0/24", Subnets: []Subnet{{
		Prefix: netip.MustParsePrefix("10.0.20.0/24"),
		Settings: Settings{DefaultLease: length, MaxLease: length,
			Options: []Option{ipOption(dhcp4.OptionRouter, "10.0.20.1")}},
	}}})
	w.addPool(1, "10.0.20.10", "10.0.20.49")
	w.open()
	req := &dhcp4.Request{Message: in, Received: start, Local: server, Link: dhcp4.Link{Index: 2, Name: "eth0"}, Dst: broadcast}
	if isSet(in.ClientIPAddr) {
		req.Dst = netip.AddrPortFrom(server, 67)
	}
	if in.MessageType() != dhcp4.MessageTypeNak && isSet(isc.YourIPAddr) {
		// Which of the free addresses the server takes is its own affair: make it take the same.
		q := w.server.query(req, start, w.book)
		if !w.server.offers.hold(start, q.key(w.server.networkOf(isc.YourIPAddr)), isc.YourIPAddr) {
			t.Fatal("the address cannot be kept")
		}
	}
	reply, err := w.server.ServeDHCP(context.Background(), req)
	if err != nil || reply == nil {
		t.Fatalf("%s, %v; log: %q", say(reply), err, w.lines())
	}
	got, err := reply.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	want[3], want[8], want[9] = 0, 0, 0 // hops and secs: ISC returns them, RFC 2131 table 3 has 0
	if in.ParameterRequestList() == nil && in.MessageType() == dhcp4.MessageTypeNone {
		// A client that asks for nothing gets all, in no order that matters.
		slices.Sort(got[240:])
		slices.Sort(want[240:])
	}
	if !bytes.Equal(got, want) {
		t.Errorf("\n got %x %x\nwant %x %x", got[:44], got[236:], want[:44], want[236:])
	}
}

// The log of a first lease and what follows, beside what ISC dhcpd writes (its source: server/dhcp.c).
func TestLogLines(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	w.dora(msg{host: "box"})
	w.now = w.now.Add(300 * time.Second)
	w.send(msg{kind: dhcpRequest, ciaddr: "10.0.10.10", unicast: true})
	w.send(msg{kind: dhcpRequest, ciaddr: "10.0.10.10", giaddr: "10.0.10.1"})
	w.send(msg{kind: dhcpDiscover, mac: number(2), host: "a\nb"})
	w.send(msg{kind: dhcp4.MessageTypeLeaseQuery, mac: number(2)})
	want := []string{
		"DHCPDISCOVER from 02:00:00:00:00:01 (box) via eth0",
		"DHCPOFFER on 10.0.10.10 to 02:00:00:00:00:01 (box) via eth0",
		"DHCPREQUEST for 10.0.10.10 (10.0.10.251) from 02:00:00:00:00:01 (box) via eth0",
		"DHCPACK on 10.0.10.10 to 02:00:00:00:00:01 (box) via eth0",
		"DHCPREQUEST for 10.0.10.10 from 02:00:00:00:00:01 (box) via eth0",
		"DHCPACK on 10.0.10.10 to 02:00:00:00:00:01 (box) via eth0",
		"reuse_lease: lease age 0 (secs) under 25% threshold, reply with unaltered, existing lease for 10.0.10.10",
		"DHCPREQUEST for 10.0.10.10 from 02:00:00:00:00:01 (box) via 10.0.10.1",
		"DHCPACK on 10.0.10.10 to 02:00:00:00:00:01 (box) via 10.0.10.1",
		"DHCPDISCOVER from 02:00:00:00:00:02 (Hostname Unsuitable for Printing) via eth0: network 10.0.10.0/24: no free leases",
		"DHCPLEASEQUERY from 02:00:00:00:00:02 via eth0: unknown packet type",
	}
	if got := w.lines(); !slices.Equal(got, want) {
		t.Errorf("log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

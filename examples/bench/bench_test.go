//go:build linux

package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/isc"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
)

func TestSamples(t *testing.T) {
	s, other := samples{}, samples{}
	for _, v := range []float64{30, 10, 20} {
		s.add("rate", v)
	}
	other.add("rate", 5)
	if got := s.cell("rate", "%.0f"); got != "20 (10..30)" {
		t.Errorf("cell is %q", got)
	}
	if got := s.ratio(other, "rate"); got != "4.00" {
		t.Errorf("ratio is %q", got)
	}
	if got := s.ratio(other, "nothing") + s.cell("nothing", "%f"); got != "--" {
		t.Errorf("of nothing %q", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median is %v", got)
	}
}

func TestTable(t *testing.T) {
	got := table{"T", []string{"a", "long"}, [][]string{{"bbbb", "1"}}}.String()
	want := "## T\n\n| a    | long |\n| ---  | ---- |\n| bbbb | 1    |\n"
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}

// What the reflector answers is a message that clients can read.
func TestReflector(t *testing.T) {
	var m, reply dhcp4.Message
	m.OpCode, m.HWType, m.ClientHWAddr = dhcp4.OpcodeBootRequest, dhcp4.HWTypeEthernet, []byte{2, 0, 0, 0, 0x12, 0x34}
	for ask, want := range map[dhcp4.MessageType]dhcp4.MessageType{
		dhcp4.MessageTypeDiscover: dhcp4.MessageTypeOffer, dhcp4.MessageTypeRequest: dhcp4.MessageTypeAck,
	} {
		m.SetMessageType(ask)
		b, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		reflected(b)
		if err := reply.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		server, _ := reply.ServerIdentifier()
		if reply.MessageType() != want || reply.YourIPAddr != netip.MustParseAddr("10.16.18.52") || server != netip.MustParseAddr(firstAddr) {
			t.Errorf("%v: %v from %v", ask, &reply, server)
		}
	}
}

// The configurations and lease files that are made for the servers can be read.
func TestFilesForServers(t *testing.T) {
	dir := t.TempDir()
	for _, peer := range []string{"", "primary", "secondary"} {
		s := usual
		s.peer = peer
		file := filepath.Join(dir, "conf"+peer)
		if err := os.WriteFile(file, []byte(dhcpdConf(s, "")), 0o644); err != nil {
			t.Fatal(err)
		}
		cfg, err := isc.Load(nil, file, isc.LoadOptions{})
		if err != nil || len(cfg.Networks) != 1 {
			t.Errorf("%q: %v", peer, err)
		}
	}
	var text bytes.Buffer
	end := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	if err := dhcpdLease(&text, netip.MustParseAddr("10.1.0.9"), []byte{2, 1, 0, 0, 0, 9}, end); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "leases")
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	store, err := leasefile.Open(file, leasefile.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	leases, _, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for l, err := range leases {
		if n++; err != nil || l.Status != lease.Active || !l.Expiry.Equal(end) || l.Client.HW.String() != "02:01:00:00:00:09" {
			t.Errorf("%+v, %v", l, err)
		}
	}
	if n != 1 {
		t.Errorf("%d leases", n)
	}
	if err := keaLease(&text, netip.MustParseAddr("10.1.0.9"), []byte{2, 1, 0, 0, 0, 9}, end); err != nil || !strings.Contains(text.String(), "10.1.0.9,02:01:00:00:00:09,,86400,") {
		t.Errorf("%v: %s", err, text.String())
	}
}

func TestCommandLine(t *testing.T) {
	if _, err := parse([]string{"-rows", "rate,nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("%v", err)
	}
	if o, err := parse([]string{"-runs", "2", "-only", "tandem,kea", "-rows", "pair,start"}); err != nil || len(o.only) != 2 || len(o.rows) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
}

//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/isc"
	"github.com/tandem-dhcp/tandem/failover"
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
	n := 0
	for l := range leasesOf(t, file) {
		if n++; l.Status != lease.Active || !l.Expiry.Equal(end) || l.Client.HW.String() != "02:01:00:00:00:09" {
			t.Errorf("%+v", l)
		}
	}
	if n != 1 {
		t.Errorf("%d leases", n)
	}
	text.Reset()
	if err := dhcpdLeaseOfPair(&text, netip.MustParseAddr("10.1.0.9"), []byte{2, 1, 0, 0, 0, 9}, end); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+"-pair", text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for l := range leasesOf(t, file+"-pair") {
		if l.Unacked || !l.AckedPotentialExpiry.Equal(end) || l.Rewind != 0 {
			t.Errorf("the partner does not know %+v", l)
		}
	}
	if err := keaLease(&text, netip.MustParseAddr("10.1.0.9"), []byte{2, 1, 0, 0, 0, 9}, end); err != nil || !strings.Contains(text.String(), "10.1.0.9,02:01:00:00:00:09,,86400,") {
		t.Errorf("%v: %s", err, text.String())
	}
}

// leasesOf returns the leases of a file.
func leasesOf(t *testing.T, file string) func(yield func(lease.Lease) bool) {
	t.Helper()
	store, err := leasefile.Open(file, leasefile.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	leases, _, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []lease.Lease
	for l, err := range leases {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return slices.Values(all)
}

// The lease file of a partner in state normal can be read, with its state.
func TestFileOfPartner(t *testing.T) {
	at := place{data: t.TempDir(), setup: roomForFew}
	b := new(bench)
	p := peer{file: "leases", format: dhcpdLease}
	if err := b.fillPartner(p, at, 300, tomorrow()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(at.data, p.file)
	seen := map[netip.Addr]bool{}
	for l := range leasesOf(t, file) {
		seen[l.Addr] = l.Status == lease.Active && !l.Unacked
	}
	if len(seen) != 300 || !seen[netip.MustParseAddr("10.1.0.0")] || !seen[netip.MustParseAddr("10.1.1.43")] {
		t.Errorf("%d leases", len(seen))
	}
	store, err := leasefile.Open(file, leasefile.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, peers, err := store.Load(t.Context()); err != nil || len(peers) != 1 || peers[0].Name != "ha" || failover.State(peers[0].State) != failover.Normal {
		t.Errorf("%+v, %v", peers, err)
	}
}

// Kea's configurations are JSON, and that of a partner has the hook.
func TestKeaConfigurations(t *testing.T) {
	for _, role := range []string{"", "primary", "secondary"} {
		at := place{dir: "/d", data: "/d", setup: setup{first: "10.1.0.0", last: "10.1.0.9", lease: time.Hour, peer: role}}
		for _, text := range keaConf(at) {
			var conf struct {
				Dhcp4 struct {
					HooksLibraries []any `json:"hooks-libraries"`
				}
			}
			if err := json.Unmarshal([]byte(text), &conf); err != nil || (role != "") != (len(conf.Dhcp4.HooksLibraries) == 2) {
				t.Errorf("%q: %v\n%s", role, err, text)
			}
		}
	}
}

func TestTraces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	text := "began_us,took_us,outcome,server\n" +
		"1000000,500,ack,10.0.0.1\n" +
		"1030000,900,ack,10.0.0.9\n" + // traces are in the order of ends
		"1010000,1000000,no-offer,\n" +
		"1020000,1000000,no-ack,10.0.0.1\n" +
		"1040000,700,ack,10.0.0.9\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := readTrace(file)
	if err != nil || len(all) != 5 || all[1].answered || all[3].took != 900*time.Microsecond || all[2].server != "10.0.0.1" {
		t.Fatalf("%+v, %v", all, err)
	}
	at := func(us int64) time.Time { return time.UnixMicro(us) }
	for _, c := range []struct {
		name   string
		of     []exchange
		event  int64
		after  time.Duration
		failed int
		ok     bool
	}{
		{"two are lost", all, 1005000, 25 * time.Millisecond, 2, true},
		{"one of them began before", all, 1015000, 15 * time.Millisecond, 1, true},
		{"none is lost", all, 1025000, 5 * time.Millisecond, 0, true},
		{"it never comes back", all[:3], 1005000, 0, 2, false},
		{"nobody asks any more", all, 1050000, 0, 0, false},
	} {
		if after, failed, ok := recovered(c.of, at(c.event)); ok && after != c.after || failed != c.failed || ok != c.ok {
			t.Errorf("%s: %v, %d, %v", c.name, after, failed, ok)
		}
	}
	s := spanOf(all, at(1000000), at(1040000))
	if s.n != 4 || s.failed != 2 || s.p50 != 900*time.Microsecond || s.most != 900*time.Microsecond {
		t.Errorf("%+v", s)
	}
	if s := spanOf(all, at(2000000), at(3000000)); s != (span{}) {
		t.Errorf("of nothing %+v", s)
	}
	for _, wrong := range []string{"a,b,c,d\nx,1,ack,\n", "a,b,c,d\n1,2,ack\n"} {
		if err := os.WriteFile(file, []byte(wrong), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readTrace(file); err == nil || !strings.Contains(err.Error(), ":2: ") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// The line is that of examples/dhcpd.
func TestStatusLine(t *testing.T) {
	line := "ha primary normal since 2026-11-28T06:00:00Z, peer normal, connected true, unacked 17, mclt 10m0s\n"
	if n, err := unackedOf(line); n != 17 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, wrong := range []string{"", "ok\n", "unacked 5", "unacked x, mclt"} {
		if _, err := unackedOf(wrong); err == nil {
			t.Errorf("%q is a status", wrong)
		}
	}
}

// What a server writes is found wherever reads end, and not what was there before.
func TestWaitLog(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &server{log: f}
	fmt.Fprint(f, "to normal\nto nor")
	from, err := s.logged()
	if err != nil || from != 16 {
		t.Fatalf("%d, %v", from, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.waitLog(ctx, from, "to normal"); !errors.Is(err, context.Canceled) {
		t.Errorf("before it is written: %v", err)
	}
	found := make(chan error)
	go func() {
		_, err := s.waitLog(t.Context(), from-6, "to normal")
		found <- err
	}()
	fmt.Fprint(f, "mal\n")
	if err := <-found; err != nil {
		t.Error(err)
	}
}

// README.md tells what each row is.
func TestReadmeTellsRows(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range rows {
		if !bytes.Contains(text, []byte("\n| `"+name+"` | ")) {
			t.Errorf("nothing of %s", name)
		}
	}
}

// Each case of a row names peers there are.
func TestCasesNamePeers(t *testing.T) {
	known := map[string]bool{}
	for _, p := range peers() {
		known[p.name] = true
	}
	for _, c := range resyncCases {
		if !known[c.from] || !known[c.to] {
			t.Errorf("resync: %+v", c)
		}
	}
	for _, c := range expiryCases {
		if !known[c.peer] || c.until <= expirySpan {
			t.Errorf("expiry: %+v", c)
		}
	}
}

func TestCommandLine(t *testing.T) {
	if _, err := parse([]string{"-rows", "rate,nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("%v", err)
	}
	if o, err := parse([]string{"-runs", "2", "-only", "tandem,kea", "-rows", "pair,start,failover,resync,expiry"}); err != nil || len(o.only) != 2 || len(o.rows) != 5 {
		t.Errorf("%+v, %v", o, err)
	}
}

package leasefile_test

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// lab skips the test where there is no ISC dhcpd 4.4, unless the laboratory is required.
func lab(t *testing.T) (dhcpd string) {
	t.Helper()
	dhcpd, err := exec.LookPath("dhcpd")
	if err != nil {
		dhcpd, err = exec.LookPath("/usr/sbin/dhcpd")
	}
	if err == nil {
		var version []byte
		version, err = exec.Command(dhcpd, "--version").CombinedOutput()
		if err == nil && !strings.Contains(string(version), "isc-dhcpd-4.4") {
			err = fmt.Errorf("it is %s", version)
		}
	}
	if err != nil {
		missing(t, "ISC dhcpd 4.4", err)
	}
	return dhcpd
}

func missing(t *testing.T, what string, err error) {
	t.Helper()
	if os.Getenv("TANDEM_REQUIRE_LAB") == "1" {
		t.Fatalf("%s is required: %v", what, err)
	}
	t.Skipf("no %s: %v", what, err)
}

// iscLeases are leases with all that ISC dhcpd knows, in each status, and some with what it does not know.
func iscLeases() []lease.Lease {
	now := lease.Second(time.Now())
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	var all []lease.Lease
	add := func(l lease.Lease) {
		l.Addr = leasetest.Addr(100 + len(all))
		all = append(all, l)
	}
	client := func(n byte) lease.Client {
		return lease.Client{ID: "\xff\x00\"\\\n{}#;" + string([]byte{n}), HW: lease.MakeHWAddr(1, []byte{2, 0, 0, 0, 0, n})}
	}
	for s := lease.Free; s <= lease.Backup; s++ {
		l := lease.Lease{
			Status: s, Client: client(byte(s)), Since: hour(-2), Expiry: hour(-1), LastTransaction: hour(-2),
			SentPotentialExpiry: hour(-1), AckedPotentialExpiry: hour(-1),
		}
		switch s {
		case lease.Active:
			l.Expiry, l.SentPotentialExpiry, l.AckedPotentialExpiry = hour(5), hour(9), hour(9)
		case lease.Abandoned:
			l.Client, l.Expiry, l.SentPotentialExpiry, l.AckedPotentialExpiry = lease.Client{}, hour(20), hour(-1), hour(-1)
		}
		add(l)
	}
	active := all[lease.Active-1]
	for i, change := range []func(l *lease.Lease){
		func(l *lease.Lease) { l.Unacked, l.AckedPotentialExpiry = true, time.Time{} },
		func(l *lease.Lease) { l.ReceivedPotentialExpiry, l.AckedPotentialExpiry = hour(7), time.Time{} },
		func(l *lease.Lease) { l.Rewind = lease.Free },
		func(l *lease.Lease) { l.Flags = lease.Reserved },
		func(l *lease.Lease) { l.Flags, l.Expiry = lease.BOOTP, lease.Never },
		func(l *lease.Lease) { l.Client.HW = "\x06\x01\x02\x03" },
		func(l *lease.Lease) { l.Client.HW = "\x07\x01\x02\x03" },
		func(l *lease.Lease) { l.Client.ID, l.VendorClass = "", "MSFT \"5.0\"\x00\xff" },
		func(l *lease.Lease) { l.HostName, l.RelayInfo = "printer", "\x01\x04eth1\x02\x03\x01\x80\xff" },
		func(l *lease.Lease) { l.Client.ID = strings.Repeat("\x01\xfe", 127) },
	} {
		l := active
		l.Client = client(byte(20 + i))
		change(&l)
		add(l)
	}
	return all
}

const iscConfig = `
failover peer "ha" {
  secondary;
  address 10.0.0.1; port 647;
  peer address 10.0.0.2; peer port 647;
  max-response-delay 60; max-unacked-updates 10; load balance max seconds 3;
}
subnet 10.0.0.0 netmask 255.255.255.0 {
  pool { failover peer "ha"; range 10.0.0.50 10.0.0.250; deny dynamic bootp clients; }
}
`

// iscFile makes a directory with a configuration and a lease file that Tandem has written.
func iscFile(t *testing.T, leases []lease.Lease, peer lease.Peer) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dhcpd.conf"), []byte(iscConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, file), leasefile.Config{Failover: func(netip.Addr) bool { return true }})
	if err := s.Apply(t.Context(), lease.Batch{Peers: []lease.Peer{peer}}); err != nil {
		t.Fatal(err)
	}
	for _, l := range leases {
		if err := s.Apply(t.Context(), lease.Batch{Changes: []lease.Change{{New: l}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Compact(t.Context()); err != nil { // half of the file as after a compaction, half as commits
		t.Fatal(err)
	}
	last := leases[len(leases)-1]
	again := lease.Batch{Changes: []lease.Change{{Old: last, New: last}}, Peers: []lease.Peer{peer}}
	if err := s.Apply(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

var iscPeer = lease.Peer{
	Name: "ha", State: 3, Since: leasetest.Leased(leasetest.Addr(1), 0).Since, Partner: 2,
	PartnerSince: leasetest.Leased(leasetest.Addr(1), 0).Since, MCLT: time.Minute,
}

// ISC dhcpd's own test of a lease file (-T) has nothing to say against any lease that a store keeps.
func TestISCAcceptsFile(t *testing.T) {
	dhcpd := lab(t)
	leases := iscLeases()
	// Names with NUL and texts beyond 255 octets are in the mark; all else goes through ISC's parser.
	r := newRand(7)
	for n := range 120 {
		l := leasetest.Random(r, leasetest.Addr(50+n%40))
		l.Addr = leasetest.Addr(130 + n)
		if !l.IsVirgin() {
			leases = append(leases, l)
		}
	}
	cmd := exec.Command(dhcpd, "-4", "-T", "-cf", "dhcpd.conf", "-lf", file)
	cmd.Dir = iscFile(t, leases, iscPeer)
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "Permission denied") {
		missing(t, "permission to run dhcpd on files here", err)
	}
	wrote := fmt.Sprintf("Wrote %d leases to leases file", len(leases))
	if err != nil || !strings.Contains(string(out), wrote) || strings.Contains(string(out), file+" line") || strings.Contains(string(out), "orrupt") ||
		!strings.Contains(string(out), "Lease file test successful") {
		t.Errorf("dhcpd -T: %v\n%s", err, out)
	}
}

// What ISC dhcpd writes when it starts with Tandem's file is what Tandem wrote, as far as ISC knows it.
func TestISCReadsFile(t *testing.T) {
	dhcpd := lab(t)
	leases := iscLeases()
	dir := iscFile(t, leases, iscPeer)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "-n", "sh", "-c", `
		ip link add d0 type veth peer name d1 && ip addr add 10.0.0.1/24 dev d0 &&
		ip link set lo up && ip link set d0 up && ip link set d1 up &&
		exec "$0" -4 -f -d -cf dhcpd.conf -lf dhcpd.leases -pf dhcpd.pid d0`, dhcpd)
	cmd.Dir = dir
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		missing(t, "unshare", err)
	}
	var log strings.Builder
	started := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		if strings.HasPrefix(lines.Text(), "failover peer ha: I move from") {
			started = true // the file was rewritten before
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !started {
		missing(t, "network namespace with dhcpd in it", fmt.Errorf("\n%s", log.String()))
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "written by isc-dhcp") {
		t.Fatalf("ISC dhcpd has not rewritten the file:\n%s\n%s", text, log.String())
	}
	got := load(t, diskWith(string(text)))
	if len(got.damage) > 0 {
		t.Errorf("reported %v", got.damage)
	}
	for _, want := range leases {
		if l := got.leases[want.Addr]; l != want {
			t.Errorf("ISC dhcpd made\n%#v\nof\n%#v", l, want)
		}
	}
	if len(got.leases) != len(leases) {
		t.Errorf("ISC dhcpd has %d leases, want %d", len(got.leases), len(leases))
	}
	if len(got.peers) != 1 || got.peers[0] != iscPeer {
		t.Errorf("ISC dhcpd has %+v, want %+v", got.peers, iscPeer)
	}
	if t.Failed() {
		t.Logf("dhcpd:\n%s", log.String())
	}
}

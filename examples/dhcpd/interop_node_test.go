//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The interop matrix: Tandem beside a real ISC dhcpd, in either role, in one run. Each scenario is run once for each
// pairing, all at the same time, with timers so short that it takes seconds. With the laboratory required (see
// main_test.go) a machine without ISC's dhcpd fails; otherwise the matrix is skipped.

// A pairing says which node of a pair ISC's dhcpd runs on.
type pairing struct{ name, isc string }

var pairings = []pairing{{"tandem-primary", nodeSecondary}, {"isc-primary", nodePrimary}}

// eachPairing runs a scenario for each pairing.
func eachPairing(t *testing.T, scenario func(t *testing.T, p pairing)) {
	t.Helper()
	long(t)
	iscDHCPD(t)
	for _, p := range pairings {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			scenario(t, p)
		})
	}
}

// iscDHCPD finds ISC's dhcpd; without it the test is skipped, or fails if the laboratory is required.
func iscDHCPD(t *testing.T) string {
	t.Helper()
	file := "/usr/sbin/dhcpd" // which is not on everybody's path
	if found, err := exec.LookPath("dhcpd"); err == nil {
		file = found
	}
	need(t, map[string]string{file: "isc-dhcp-server", "omshell": "isc-dhcp-client or isc-dhcp-server"})
	said, err := exec.Command(file, "--version").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "isc-dhcpd-4.4") {
		t.Fatalf("%s is not ISC dhcpd 4.4: %v\n%s", file, err, said)
	}
	return file
}

// figures are what the configurations of a mixed pair have in common.
type figures struct {
	mclt, lease, delay time.Duration // delay is max-response-delay
	pool               int           // addresses, from the first of seedPool on
	failover           string        // more lines for the failover declaration
	global             string        // more lines for the outermost scope
	inPool             string        // more lines for the pool
}

// brief are the figures of most scenarios.
var brief = figures{mclt: 6 * time.Second, lease: 30 * time.Second, delay: 6 * time.Second, pool: 40}

// relationship is the name of the failover relationship of a mixed pair.
const relationship = "interop"

// conf is the dhcpd.conf of one node. The lines that only one of the programs knows are in omapi.
func (f figures) conf(node, omapi string) string {
	role, other := fmt.Sprintf("primary;\n  mclt %d;\n  split %d;", int(f.mclt.Seconds()), seedSplit), nodeSecondary
	if node == nodeSecondary {
		role, other = "secondary;", nodePrimary
	}
	return fmt.Sprintf(`%[1]sauthoritative;
default-lease-time %[2]d;
max-lease-time %[2]d;
min-lease-time 1;
dhcp-cache-threshold 0;
ping-check off;
%[3]s
failover peer "%[4]s" {
  %[5]s
  address %[6]v;
  port 678;
  peer address %[7]v;
  peer port 678;
  max-response-delay %[8]d;
  max-unacked-updates 10;
  load balance max seconds 3;
  %[9]s
}

subnet 10.0.10.0 netmask 255.255.255.0 {
  option routers 10.0.10.254;
  pool {
    failover peer "%[4]s";
    range %[10]v %[11]v;
    %[12]s
  }
}
`, omapi, int(f.lease.Seconds()), f.global, relationship, role, serverAddr[node], serverAddr[other], int(f.delay.Seconds()),
		f.failover, seedPool[0], seedPool[f.pool-1], f.inPool)
}

// A mixed pair is a pair of which one server is ISC's dhcpd and the other is Tandem.
type mixed struct {
	*pair
	figures
	isc, tandem *mate
}

// A mate is one server of a mixed pair.
type mate struct {
	*server
	file   string // the program
	name   string // of the program, for people
	socket string // for orders; "" for ISC, which takes them by OMAPI
}

// omapiPort is where ISC takes orders, in a namespace of its own.
const omapiPort = 7911

// mixedPair makes a lab with a mixed pair, not yet started.
func mixedPair(t *testing.T, p pairing, f figures, clients int) *mixed {
	t.Helper()
	l := newLab(t, clients)
	m := &mixed{figures: f, isc: &mate{file: iscDHCPD(t), name: "ISC"}, tandem: &mate{file: program(t, ""), name: "Tandem"}}
	dir, err := os.MkdirTemp("", "tandem-ctl-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m.tandem.socket = filepath.Join(dir, "ctl")
	m.isc.server = l.server(p.isc, f.conf(p.isc, fmt.Sprintf("omapi-port %d;\n", omapiPort)))
	other := nodePrimary
	if p.isc == nodePrimary {
		other = nodeSecondary
	}
	m.tandem.server = l.server(other, f.conf(other, ""))
	m.pair = &pair{lab: l, primary: m.isc.server, secondary: m.tandem.server}
	if p.isc == nodeSecondary {
		m.pair.primary, m.pair.secondary = m.tandem.server, m.isc.server
	}
	return m
}

// mates returns both, the primary first.
func (m *mixed) mates() []*mate {
	if m.isc.server == m.primary {
		return []*mate{m.isc, m.tandem}
	}
	return []*mate{m.tandem, m.isc}
}

// partner returns the other one.
func (m *mixed) partner(s *mate) *mate {
	if s == m.isc {
		return m.tandem
	}
	return m.isc
}

// start starts the server and waits until it says that it serves.
func (s *mate) start(t testing.TB) {
	t.Helper()
	if s.proc.running() {
		t.Fatalf("%s runs already", s.node)
	}
	if err := os.Remove(filepath.Join(s.dir, "dhcpd.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	s.run = s.log.len()
	args := []string{s.file, "-4", "-f", "-d", "-cf", filepath.Join(s.dir, "dhcpd.conf"), "-lf", filepath.Join(s.dir, "db/dhcpd.leases"),
		"-pf", filepath.Join(s.dir, "dhcpd.pid")}
	if s.socket != "" {
		args = append(args, "-ctl", s.socket)
	}
	s.proc = s.lab.startInto(s.log, s.node, append(args, "eth0")...)
	s.serving(t)
}

// begin starts both servers and waits until they are normal and have shared the pool.
func (m *mixed) begin(t testing.TB) {
	t.Helper()
	for _, s := range m.mates() {
		s.start(t)
	}
	m.normal(t, normalPeriod)
	m.sharedOut(t)
}

// sharedOut waits until both lease files show the pool halved.
func (m *mixed) sharedOut(t testing.TB) {
	t.Helper()
	eventually(t, agreePeriod, func() error {
		for _, s := range m.mates() {
			if free, backup := m.available(s.leases(t)); free+backup != m.pool || free-backup > 1 || free < backup {
				return fmt.Errorf("%s has %d free and %d backup, want the halves of %d", s.node, free, backup, m.pool)
			}
		}
		return nil
	})
}

// available counts the addresses of the pool that are free and backup.
func (m *mixed) available(f *leaseFile) (free, backup int) {
	for _, a := range seedPool[:m.pool] {
		switch f.record(a).state {
		case "free":
			free++
		case "backup":
			backup++
		}
	}
	return free, backup
}

// partnerDown gives the order for PARTNER-DOWN, and returns when it was given.
func (m *mixed) partnerDown(t testing.TB, s *mate) time.Time {
	t.Helper()
	ctx := within(t, 15*time.Second)
	at := time.Now()
	if s.socket != "" {
		out, err := exec.CommandContext(ctx, s.file, "-ctl", s.socket, "-order", "partner-down "+relationship).CombinedOutput()
		if err != nil {
			t.Fatalf("the order partner-down to %s: %v\n%s", s.node, err, out)
		}
	} else if out := s.omshell(ctx, openState+"set local-state = 4\nupdate\n"); strings.Count(out, "local-state") < 3 {
		// omshell shows the object once more after an update that went well
		t.Fatalf("the order partner-down to %s: %s", s.node, out)
	}
	s.waitState(t, 3*time.Second, "partner-down")
	return at
}

// openState are omshell's words for the failover relationship.
const openState = "new failover-state\nset name = \"" + relationship + "\"\nopen\n"

// omshell runs commands of omshell(1) on ISC's dhcpd.
func (s *mate) omshell(ctx context.Context, commands string) string {
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", s.lab.ns(s.node), "omshell")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("server 127.0.0.1\nport %d\nconnect\n%s", omapiPort, commands))
	out, err := cmd.CombinedOutput()
	return fmt.Sprintf("%s%v", out, err)
}

// Lines that none of the two may write: that it ends, or that it has gone mad.
var fatalLine = regexp.MustCompile(`(?i)\bexiting\b|panic|data race|fatal error|handler failed|goroutine \d|segfault|I move from \S+ to (shutdown|paused)`)

// finish is the end of each scenario: both run, and are normal; both lease files say the same of each address, and know of
// every promise that is not over; nothing that either wrote or sent is bad.
func (m *mixed) finish(t *testing.T) {
	t.Helper()
	t.Run("both are normal at the end", func(t *testing.T) {
		eventually(t, 2*normalPeriod, func() error {
			m.normal(t, normalPeriod)
			out := m.isc.omshell(within(t, 15*time.Second), openState)
			if !strings.Contains(out, "local-state = 00:00:00:02") || !strings.Contains(out, "partner-state = 00:00:00:02") {
				return fmt.Errorf("ISC does not say that both are normal:\n%s", out)
			}
			return nil
		})
	})
	t.Run("both lease files agree at the end", func(t *testing.T) { m.agreeNow(t, agreePeriod) })
	m.inspect(t)
}

// inspect looks at what the programs wrote and sent.
func (m *mixed) inspect(t *testing.T) {
	t.Helper()
	for _, s := range m.mates() {
		if !s.proc.running() {
			t.Errorf("%s of %s does not run any more", s.name, s.node)
		}
		for _, line := range s.log.since(0) {
			if fatalLine.MatchString(line) {
				t.Errorf("%s of %s: %s", s.name, s.node, line)
			}
		}
	}
	m.told.checkFaults(t)
	m.checkCaptures(t)
}

// agreeNow is agree for leases that end: a promise counts as long as it is not over.
func (m *mixed) agreeNow(t testing.TB, d time.Duration) {
	t.Helper()
	eventually(t, d, func() error {
		f, g := m.primary.leases(t), m.secondary.leases(t)
		err := differ(f, g)
		soon := time.Now().Add(time.Second)
		for _, p := range m.told.promises() {
			if p.end.After(soon) {
				err = errors.Join(err, p.onRecord(f), p.onRecord(g))
			}
		}
		return err
	})
}

// states returns the failover states that the server has moved to since line number from of its log.
func (s *mate) states(from int) []string {
	var all []string
	for _, line := range s.log.since(from) {
		if m := moved.FindStringSubmatch(line); m != nil {
			all = append(all, m[2])
		}
	}
	return all
}

// wentThrough fails the test unless the server has moved to these states, in that order, since a line of its log. It may
// have been in others meanwhile.
func (s *mate) wentThrough(t testing.TB, from int, states ...string) {
	t.Helper()
	all := s.states(from)
	left := states
	for _, state := range all {
		if len(left) > 0 && state == left[0] {
			left = left[1:]
		}
	}
	if len(left) > 0 {
		t.Errorf("%s of %s moved to %v, want %v among them in that order", s.name, s.node, all, states)
	}
}

//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// A swapKind is a program that a node may run.
type swapKind struct{ name, file string }

// swapISC finds ISC's dhcpd; without it the test is skipped, or fails if the laboratory is required.
func swapISC(t *testing.T) swapKind {
	t.Helper()
	file := "/usr/sbin/dhcpd" // which is not on everybody's path
	if found, err := exec.LookPath("dhcpd"); err == nil {
		file = found
	}
	need(t, map[string]string{file: "isc-dhcp-server"})
	said, err := exec.Command(file, "--version").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "isc-dhcpd-4.4") {
		t.Fatalf("%s is not ISC dhcpd 4.4: %v\n%s", file, err, said)
	}
	return swapKind{"ISC", file}
}

// A swapNode is a server whose program changes.
type swapNode struct {
	*server
	runs []swapRun
	kept int // copies of the lease file

	mu   sync.Mutex // over what the timeline looks at: kind, and the server's proc and run
	kind swapKind
}

// A swapRun is where in the journal a program began to write.
type swapRun struct {
	kind swapKind
	line int
}

func (s *swap) node(node string) *swapNode {
	s.t.Helper()
	return &swapNode{server: s.lab.server(node, swapConfig(node))}
}

// swapConfig is the dhcpd.conf of one node, for ISC and Tandem alike.
func swapConfig(node string) string {
	role, other := fmt.Sprintf("primary;\n  mclt %d;\n  split 128;", int(swapMCLT.Seconds())), nodeSecondary
	if node == nodeSecondary {
		role, other = "secondary;", nodePrimary
	}
	return fmt.Sprintf(`authoritative;
default-lease-time %[1]d;
max-lease-time %[1]d;
min-lease-time 1;

failover peer "swap" {
  %[2]s
  address %[3]v;
  port 678;
  peer address %[4]v;
  peer port 678;
  max-response-delay %[5]d;
  max-unacked-updates 10;
  load balance max seconds 3;
}

subnet 10.0.10.0 netmask 255.255.255.0 {
  option routers 10.0.10.254;
  option domain-name "example.org";
  option domain-name-servers 10.0.10.251, 10.0.10.252;
  pool {
    failover peer "swap";
    range %[6]v %[7]v;
  }
}
`, int(swapLease.Seconds()), role, serverAddr[node], serverAddr[other], int(swapDelay.Seconds()), seedPool[0], seedPool[swapPool-1])
}

// start starts a program on the node's files, and waits for nothing.
func (n *swapNode) start(kind swapKind) {
	n.lab.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kind, n.run = kind, n.log.len()
	n.runs = append(n.runs, swapRun{kind, n.run})
	n.proc = n.lab.startInto(n.log, n.server.node, kind.file, "-4", "-f", "-d", "-cf", filepath.Join(n.dir, "dhcpd.conf"),
		"-lf", filepath.Join(n.dir, "db/dhcpd.leases"), "-pf", filepath.Join(n.dir, "dhcpd.pid"), "eth0")
}

// String says what the node runs and in which failover state it is, by its log.
func (n *swapNode) String() string {
	n.mu.Lock()
	kind, proc, run := n.kind, n.proc, n.run
	n.mu.Unlock()
	state := "stopped"
	if proc.running() {
		state = "starts"
		for _, line := range n.log.since(run) {
			if m := moved.FindStringSubmatch(line); m != nil {
				state = m[2]
			}
		}
	}
	return n.server.node + " " + kind.name + " " + state
}

// Lines that no server may write: of a file it cannot read, a partner it does not understand, or its end; and of a state
// that a pair cannot come to when one of it is restarted.
var (
	swapBad  = regexp.MustCompile(`(?i)dhcpd\.(leases|conf) line|corrupt|\bexiting\b|panic|data race|commit|no matching state|malformed|unexpected`)
	swapLost = regexp.MustCompile(`I move from \S+ to (shutdown|paused|partner-down|potential-conflict|conflict-done|resolution-interrupted|recover)`)
)

// checkLog looks through all that the programs of a node have written.
func (n *swapNode) checkLog(t testing.TB) {
	t.Helper()
	for i, r := range n.runs {
		lines := n.log.since(r.line)
		if i+1 < len(n.runs) {
			lines = lines[:n.runs[i+1].line-r.line]
		}
		for _, line := range lines {
			// A new pair, which has no lease file, begins in recover.
			if swapBad.MatchString(line) || i > 0 && swapLost.MatchString(line) {
				t.Errorf("%s of %s: %s", r.kind.name, n.server.node, line)
			}
		}
	}
}

// keep copies the lease file of a node, for whoever looks for what went wrong, and reads it.
func (n *swapNode) keep(why string) *leaseFile {
	n.lab.t.Helper()
	text, err := os.ReadFile(n.leaseFile())
	if err == nil {
		n.kept++
		err = os.WriteFile(filepath.Join(n.dir, fmt.Sprintf("%d-%s.leases", n.kept, why)), text, 0o644)
	}
	var f *leaseFile
	if err == nil {
		f, err = parseLeases(string(text))
	}
	if err != nil {
		n.lab.t.Fatal(err)
	}
	return f
}

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The network: two servers, and the relays on a bridge between them.
//
//	PREFIX-s1 eth0 10.0.0.1 ---+
//	                           br0 10.0.0.2 .. 10.0.0.5 PREFIX-r
//	PREFIX-s2 eth0 10.0.0.9 ---+
type network struct{ prefix string }

const (
	firstAddr  = "10.0.0.1"
	secondAddr = "10.0.0.9"
	relayAddrs = "10.0.0.2"
	serverCPU  = "0"
	loadCPU    = "1"
)

// newNetwork makes a network whose namespaces have name in their names, besides the number of this process.
func newNetwork(name string) (*network, error) {
	n := &network{prefix: fmt.Sprintf("bench-%d-%s", os.Getpid(), name)}
	lines := []string{}
	for _, ns := range []string{"s1", "s2", "r"} {
		lines = append(lines, "netns add "+n.prefix+ns)
	}
	for _, ns := range []string{"s1", "s2"} {
		lines = append(lines, fmt.Sprintf("link add %s netns %sr type veth peer name eth0 netns %s%s", ns, n.prefix, n.prefix, ns))
	}
	err := n.ip("", lines...)
	for ns, lines := range map[string][]string{
		"r": {"link set lo up", "link add br0 type bridge stp_state 0 forward_delay 0", "link set br0 up", "link set s1 master br0", "link set s2 master br0",
			"link set s1 up", "link set s2 up", "addr add " + relayAddrs + "/8 dev br0"},
		"s1": {"link set lo up", "link set eth0 up", "addr add " + firstAddr + "/8 dev eth0"},
		"s2": {"link set lo up", "link set eth0 up", "addr add " + secondAddr + "/8 dev eth0"},
	} {
		if err == nil {
			err = n.ip(ns, lines...)
		}
	}
	if err != nil {
		n.remove()
		return nil, err
	}
	return n, nil
}

// ip runs lines of iproute2's ip in a namespace, or outside of all if ns is "".
func (n *network) ip(ns string, lines ...string) error {
	args := []string{"-batch", "-"}
	if ns != "" {
		args = append([]string{"-n", n.prefix + ns}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w\n%s", err, out)
	}
	return nil
}

func (n *network) remove() {
	for _, ns := range []string{"s1", "s2", "r"} {
		if err := n.ip("", "netns del "+n.prefix+ns); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// command is a program in a namespace on one processor. Its process is the program's own.
func (n *network) command(ctx context.Context, ns, cpu, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.prefix + ns, "taskset", "-c", cpu, name}, args...)...)
}

// load is what dhcpload reports.
type load struct {
	Rate      float64 `json:"rate"`
	Completed int     `json:"completed"`
	NoOffer   int     `json:"no_offer"`
	NoAck     int     `json:"no_ack"`
	NoRenewal int     `json:"no_renewal"`
	Refused   int     `json:"refused"`
	Twice     int     `json:"given_twice"`
	Forgotten int     `json:"forgotten"`
	Latency   map[string]struct {
		P50 float64 `json:"p50_ms"`
		P99 float64 `json:"p99_ms"`
		Max float64 `json:"most_ms"`
	} `json:"latency"`
}

// load runs dhcpload with args against servers.
func (b *bench) load(ctx context.Context, servers []string, args ...string) (l load, err error) {
	args = append(append([]string{"-q", "-json", "-relays", relayAddrs}, args...), servers...)
	var stderr strings.Builder
	cmd := b.net.command(ctx, "r", loadCPU, filepath.Join(b.dir, "tandem-dhcpload"), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 {
		fmt.Fprintf(os.Stderr, "bench: a server broke its word: %s", out)
		err = nil
	}
	if err != nil {
		return l, fmt.Errorf("dhcpload: %w\n%s", err, stderr.String())
	}
	return l, json.Unmarshal(out, &l)
}

// clockTicks is how many ticks of /proc/PID/stat a second has (USER_HZ), on all architectures of Go.
const clockTicks = 100

// cpuSeconds returns how much processor time a process has used.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may have spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return float64(user+system) / clockTicks, errors.Join(err1, err2)
}

// residentMB returns how much memory a process has, in 10^6 octets.
func residentMB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kb) * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}

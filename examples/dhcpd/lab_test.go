//go:build linux

package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A lab is an Ethernet of its own: network namespaces for two servers and some clients, joined by a bridge in one more.
//
//	          +-------------- PREFIX-sw ---------------+
//	          |  br0 (all ports)     br1 (see split)   |
//	          +--+-------+-------+-------+-------+-----+
//	           p-s1    p-s2    p-c1    p-c2     ...
//	             |       |       |       |
//	nodes:      s1      s2      c1      c2      ...     eth0 of each
//	address: 10.0.10.251  .252   none    none
//
// No frame leaves the namespaces, and nothing outside of them is changed but the files in dir. Everything in a lab ends
// with its test.
type lab struct {
	t        *testing.T
	prefix   string
	dir      string // logs, lease files, captures
	nodes    []string
	captures []*capture
	told     told // what the played clients were promised
}

const (
	nodePrimary   = "s1"
	nodeSecondary = "s2"
	nodeSwitch    = "sw"
)

// serverAddr and serverMAC are where the servers of a lab are found.
var (
	serverAddr = map[string]netip.Addr{
		nodePrimary:   netip.MustParseAddr("10.0.10.251"),
		nodeSecondary: netip.MustParseAddr("10.0.10.252"),
	}
	serverMAC = map[netip.Addr]string{
		serverAddr[nodePrimary]:   "02:00:00:00:02:51",
		serverAddr[nodeSecondary]: "02:00:00:00:02:52",
	}
)

// labTools are the programs without which there is no lab, and the Debian packages that have them.
var labTools = map[string]string{
	"ip": "iproute2", "bridge": "iproute2", "unshare": "util-linux", "mount": "mount", "tcpdump": "tcpdump", "tshark": "tshark",
}

// clientTools are the real clients.
var clientTools = map[string]string{"dhclient": "isc-dhcp-client", "udhcpc": "udhcpc", "dhcpcd": "dhcpcd-base"}

// required says that a skip is a failure.
func required() bool { return os.Getenv(envRequire) == "1" }

// long skips a test that takes its time, unless everything is wanted.
func long(t *testing.T) {
	t.Helper()
	if !required() {
		t.Skipf("takes long: set %s=1 to run it", envRequire)
	}
}

// need skips the test, or fails it if the laboratory is required, unless this process is root and finds the tools.
func need(t *testing.T, sets ...map[string]string) {
	t.Helper()
	var lacks []string
	if os.Geteuid() != 0 {
		lacks = append(lacks, "root")
	}
	if info, err := os.Stat(includeDir); err != nil || !info.IsDir() {
		lacks = append(lacks, "the folder "+includeDir)
	}
	for _, set := range sets {
		for tool, from := range set {
			if _, err := exec.LookPath(tool); err != nil {
				lacks = append(lacks, tool+" (package "+from+")")
			}
		}
	}
	switch {
	case len(lacks) == 0 && testing.Short() && !required():
		t.Skip("needs a laboratory: not with -short")
	case len(lacks) == 0:
	case required():
		t.Fatalf("%s=1, but this machine lacks %s", envRequire, strings.Join(lacks, ", "))
	default:
		t.Skipf("needs a laboratory; this machine lacks %s", strings.Join(lacks, ", "))
	}
}

// labNumber tells the labs of one process apart.
var labNumber atomic.Int32

// newLab makes a lab with two servers and the given number of clients, and a capture of all its frames. The test is
// skipped where there cannot be a lab.
func newLab(t *testing.T, clients int) *lab {
	t.Helper()
	need(t, labTools)
	sweepOnce.Do(sweep)
	l := &lab{
		t:      t,
		prefix: fmt.Sprintf("tandem-%d-%d", os.Getpid(), labNumber.Add(1)),
		nodes:  []string{nodeSwitch, nodePrimary, nodeSecondary},
	}
	l.makeDir()
	for i := 1; i <= clients; i++ {
		l.nodes = append(l.nodes, "c"+strconv.Itoa(i))
	}
	t.Cleanup(l.remove)
	var all, inside strings.Builder
	for _, node := range l.nodes {
		fmt.Fprintf(&all, "netns add %s\n", l.ns(node))
	}
	for _, node := range l.nodes[1:] {
		fmt.Fprintf(&all, "link add p-%s netns %s type veth peer name eth0 address %s netns %s\n", node, l.ns(nodeSwitch), l.mac(node), l.ns(node))
	}
	l.ip("", all.String())
	inside.WriteString("link set lo up\n")
	for _, bridge := range []string{"br0", "br1"} {
		fmt.Fprintf(&inside, "link add %s type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set %s up\n", bridge, bridge)
	}
	for _, node := range l.nodes[1:] {
		fmt.Fprintf(&inside, "link set p-%s master br0 up\n", node)
	}
	for _, node := range l.nodes {
		if err := inNamespace(l.ns(node), func() error { return quiet(node != nodeSwitch) }); err != nil {
			t.Fatal(err)
		}
	}
	l.ip(nodeSwitch, inside.String())
	for _, node := range l.nodes[1:] {
		up := "link set lo up\nlink set eth0 up\n"
		if a, ok := serverAddr[node]; ok {
			up += fmt.Sprintf("addr add %v/24 broadcast 10.0.10.255 dev eth0\n", a)
		}
		l.ip(node, up)
	}
	l.capture("br0")
	return l
}

// makeDir makes the folder of the lab, which outlives the test if the test fails.
func (l *lab) makeDir() {
	l.t.Helper()
	base := os.Getenv(envDir)
	if base != "" {
		if err := os.MkdirAll(base, 0o777); err != nil {
			l.t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp(base, "tandem-lab-"+strings.ReplaceAll(l.t.Name(), "/", "-")+"-")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755) // dhcpcd runs its script as somebody else
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.dir = dir
}

func (l *lab) ns(node string) string { return l.prefix + "-" + node }

// mac returns the hardware address of a node.
func (l *lab) mac(node string) string {
	if a, ok := serverAddr[node]; ok {
		return serverMAC[a]
	}
	n, err := strconv.Atoi(strings.TrimPrefix(node, "c"))
	if err != nil {
		l.t.Fatalf("no such node: %s", node)
	}
	return fmt.Sprintf("02:00:00:44:26:%02x", n)
}

// ip runs lines of iproute2's ip in the namespace of a node, or in that of the machine if node is "".
func (l *lab) ip(node, lines string) {
	l.t.Helper()
	args := []string{"-batch", "-"}
	if node != "" {
		args = append([]string{"-n", l.ns(node)}, args...)
	}
	l.run(lines, "ip", args...)
}

// run runs a program that ends by itself, soon.
func (l *lab) run(stdin, name string, args ...string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // also during cleanup
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdin, out)
	}
}

// setMAC gives a client's node another hardware address.
func (l *lab) setMAC(node, mac string) {
	l.t.Helper()
	l.ip(node, "link set eth0 down\nlink set eth0 address "+mac+"\nlink set eth0 up\n")
}

// isolate cuts the servers off from each other, while every client still reaches both.
func (l *lab) isolate() {
	l.t.Helper()
	for _, node := range []string{nodePrimary, nodeSecondary} {
		l.run("", "bridge", "-n", l.ns(nodeSwitch), "link", "set", "dev", "p-"+node, "isolated", "on")
	}
}

// split cuts the switch in two: the primary and c1 on one half, the secondary and c2 on the other.
func (l *lab) split() {
	l.t.Helper()
	l.capture("br1")
	l.ip(nodeSwitch, "link set p-"+nodeSecondary+" master br1\nlink set p-c2 master br1\n")
}

// heal undoes isolate and split.
func (l *lab) heal() {
	l.t.Helper()
	for _, node := range []string{nodePrimary, nodeSecondary} {
		l.run("", "bridge", "-n", l.ns(nodeSwitch), "link", "set", "dev", "p-"+node, "isolated", "off")
	}
	l.ip(nodeSwitch, "link set p-"+nodeSecondary+" master br0\nlink set p-c2 master br0\n")
}

// unplug pulls the cable of a node, plug puts it in again.
func (l *lab) unplug(node string) { l.t.Helper(); l.ip(nodeSwitch, "link set p-"+node+" down\n") }
func (l *lab) plug(node string)   { l.t.Helper(); l.ip(nodeSwitch, "link set p-"+node+" up\n") }

// remove ends what still runs in the lab and takes the lab down.
func (l *lab) remove() {
	for _, c := range l.captures {
		c.stop()
	}
	for _, node := range l.nodes {
		if err := removeNamespace(l.ns(node)); err != nil {
			l.t.Error(err)
		}
	}
	l.told.checkFaults(l.t)
	switch {
	case l.t.Failed():
		l.t.Logf("logs, lease files and captures are in %s", l.dir)
	case os.Getenv(envDir) == "":
		if err := os.RemoveAll(l.dir); err != nil {
			l.t.Error(err)
		}
	}
}

// removeNamespace kills the processes in one of our namespaces and removes it. It is no error if there is none.
func removeNamespace(name string) error {
	if _, err := os.Stat(filepath.Join(namespaceDir, name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", name).Output()
	if err != nil {
		return fmt.Errorf("ip netns pids %s: %w", name, err)
	}
	for _, word := range bytes.Fields(out) {
		pid, err := strconv.Atoi(string(word))
		if err != nil {
			return fmt.Errorf("ip netns pids %s: %w", name, err)
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill %d in %s: %w", pid, name, err)
		}
	}
	if out, err := exec.CommandContext(ctx, "ip", "netns", "del", name).CombinedOutput(); err != nil {
		return fmt.Errorf("ip netns del %s: %w\n%s", name, err, out)
	}
	return nil
}

const namespaceDir = "/run/netns"

var (
	sweepOnce sync.Once
	labName   = regexp.MustCompile(`^tandem-(\d+)-\d+-(sw|[sc]\d+)$`)
)

// sweep removes labs that a test process left because it was killed.
func sweep() {
	entries, _ := os.ReadDir(namespaceDir) // none yet: nothing to sweep
	for _, e := range entries {
		m := labName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		if _, err := os.Stat("/proc/" + m[1]); errors.Is(err, os.ErrNotExist) {
			if err := removeNamespace(e.Name()); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
}

// inNamespace calls f on a thread that is in the network namespace. Sockets that f opens stay there.
func inNamespace(name string, f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(filepath.Join(namespaceDir, name))
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("setns %s: %w", name, err)
	}
	ferr := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("setns back from %s: %w", name, err) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return ferr
}

// quiet makes the namespace of the calling thread fit for captures: no IPv6 chatter, and on eth0 no offloading to a
// hardware that is not there, so that frames have the size and the checksums that a wire would see.
func quiet(eth0 bool) error {
	for _, which := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if !eth0 {
		return nil
	}
	const (
		siocEthtool = 0x8946 // linux/sockios.h
		// linux/ethtool.h: set transmit checksum, TCP, generic segmentation and receive offload
		setTxCsum, setTSO, setGSO, setGRO = 0x17, 0x1f, 0x24, 0x2c
	)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, what := range []uint32{setTxCsum, setTSO, setGSO, setGRO} {
		value := struct{ cmd, data uint32 }{what, 0}
		request := struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}{data: unsafe.Pointer(&value)}
		copy(request.name[:], "eth0")
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), siocEthtool, uintptr(unsafe.Pointer(&request))); e != 0 {
			return fmt.Errorf("ethtool %#x on eth0: %w", what, e)
		}
	}
	return nil
}

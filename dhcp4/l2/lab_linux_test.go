package l2

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"golang.org/x/sys/unix"
)

// The lab: a namespace for the server, in which the tests run, and one for what is at the other end of its cables.
//
//	server                                         clients
//	eth0  10.9.0.1/24      02:00:00:00:00:01  <->  eth0                     02:00:00:00:01:01
//	eth1                   02:00:00:00:00:02  <->  eth1                     02:00:00:00:01:02
//	eth2  10.9.2.1/24      02:00:00:00:00:03  <->  eth2  10.9.2.2/24        02:00:00:00:01:03
//	                                               lo    192.0.2.1/32, a relay behind 10.9.2.2
//	tap0, whose other end is a file
const labSetup = `
netns add S
netns add C
-n S link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 netns C address 02:00:00:00:01:01
-n S link add eth1 address 02:00:00:00:00:02 type veth peer name eth1 netns C address 02:00:00:00:01:02
-n S link add eth2 address 02:00:00:00:00:03 type veth peer name eth2 netns C address 02:00:00:00:01:03
-n S tuntap add tap0 mode tap
-n S address add 10.9.0.1/24 dev eth0
-n S address add 10.9.2.1/24 dev eth2
-n C address add 10.9.2.2/24 dev eth2
-n C address add 192.0.2.1/32 dev lo
-n S link set lo up
-n S link set eth0 up
-n S link set eth1 up
-n S link set eth2 up
-n S link set tap0 up
-n C link set lo up
-n C link set eth0 up
-n C link set eth1 up
-n C link set eth2 up
-n S route add 192.0.2.0/24 via 10.9.2.2
`

const (
	envRequire = "TANDEM_REQUIRE_LAB" // 1: what is missing is a failure
	envClients = "TANDEM_L2_CLIENTS"  // the namespace of the clients, set for the process in that of the server
)

// TestLab builds the lab and runs itself in it.
func TestLab(t *testing.T) {
	if clients := os.Getenv(envClients); clients != "" {
		testInLab(t, clients)
		return
	}
	missing := func(why any) {
		t.Helper()
		if os.Getenv(envRequire) == "1" {
			t.Fatalf("needs root and network namespaces: %v", why)
		}
		t.Skipf("needs root and network namespaces: %v", why)
	}
	if os.Geteuid() != 0 {
		missing("not root")
	}
	server, clients := fmt.Sprintf("tdm-l2-%d-s", os.Getpid()), fmt.Sprintf("tdm-l2-%d-c", os.Getpid())
	t.Cleanup(func() {
		for _, ns := range []string{server, clients} {
			exec.Command("ip", "netns", "delete", ns).Run() // what is not there, need not go
		}
	})
	names := strings.NewReplacer("S", server, "C", clients)
	for line := range strings.Lines(strings.TrimSpace(labSetup)) {
		args := strings.Fields(line)
		for i, a := range args {
			if a == "S" || a == "C" {
				args[i] = names.Replace(a)
			}
		}
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			missing(fmt.Sprintf("ip %s: %v: %s", strings.Join(args, " "), err, out))
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", server, self, "-test.run", "^TestLab$", "-test.v", "-test.timeout", "2m")
	cmd.Env = append(os.Environ(), envClients+"="+clients)
	out, err := cmd.CombinedOutput()
	t.Logf("in the lab:\n%s", out)
	if err != nil {
		t.Errorf("in the lab: %v", err)
	}
}

// within runs f in a network namespace. What it opens stays in that.
func within(t *testing.T, ns string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	open := func(path string) *os.File {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	here, there := open("/proc/thread-self/ns/net"), open("/var/run/netns/"+ns)
	defer here.Close()
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // nothing would be where it is expected
		}
	}()
	f()
}

// plugged waits until interfaces of this namespace work: a cable takes its time after both ends are up.
func plugged(t *testing.T, names ...string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, name := range names {
		for tries := 1000; ; tries-- {
			ifi, err := net.InterfaceByName(name)
			if err == nil && ifi.Flags&net.FlagRunning != 0 {
				break
			}
			if tries == 0 {
				t.Fatalf("%s does not come up: %+v, %v", name, ifi, err)
			}
			<-tick.C
		}
	}
}

// client plays clients on an interface of the lab: it sends and hears frames.
type client struct {
	t      *testing.T
	index  int
	hw     hwAddr
	socket packetSocket
}

func newClient(t *testing.T, ns, name string) *client {
	t.Helper()
	c := &client{t: t}
	within(t, ns, func() {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		c.index, c.hw = ifi.Index, hwAddr(ifi.HardwareAddr)
		c.socket, err = openPackets(Config{Port: dhcp4.ClientPort, ReadBuffer: defaultReadBuffer, Tagged: true})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { c.socket.close() })
	if err := c.socket.restrict([]int{c.index}); err != nil {
		t.Fatal(err)
	}
	return c
}

// discover returns a frame with a DHCPDISCOVER of the client.
func (c *client) discover(flags dhcp4.Flags) frame {
	m := dhcp4.Message{OpCode: dhcp4.OpcodeBootRequest, HWType: dhcp4.HWTypeEthernet, Flags: flags, ClientHWAddr: c.hw[:]}
	m.SetMessageType(dhcp4.MessageTypeDiscover)
	f := heard()
	f.srcHW, f.payload = c.hw, marshal(c.t, &m)
	return f
}

func marshal(t *testing.T, m *dhcp4.Message) []byte {
	t.Helper()
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c *client) say(f frame) {
	c.t.Helper()
	if _, err := c.socket.send([]packet{{data: appendFrame(nil, &f), index: c.index}}); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next frame to the port of clients, with its tag, or false if there is none for so many deadlines of
// the socket.
func (c *client) hear(deadlines int) (frame, bool) {
	c.t.Helper()
	ps := []packet{{data: make([]byte, 0, maxFrame)}}
	for deadlines > 0 {
		_, err := c.socket.receive(ps)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			deadlines--
			continue
		case err != nil:
			c.t.Fatal(err)
		}
		f, err := parseFrame(ps[0].data, ps[0].summed)
		if err != nil {
			c.t.Fatal(err)
		}
		if ps[0].tag.present {
			f.tag = ps[0].tag
		}
		return f, true
	}
	return frame{}, false
}

// ask says f and returns the answer.
func (c *client) ask(f frame) frame {
	c.t.Helper()
	c.say(f)
	answer, ok := c.hear(2)
	if !ok {
		c.t.Fatal("no answer")
	}
	return answer
}

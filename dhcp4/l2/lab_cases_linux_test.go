package l2

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"golang.org/x/sys/unix"
)

var labIdentifier = netip.MustParseAddr("198.51.100.1")

// labServer counts what it is asked, and gives every client the address 10.9.N.42, N by the link.
type labServer struct {
	dhcp4.Server
	asked atomic.Int64
	link  atomic.Value // the name of the last one
}

func (s *labServer) serve(_ context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
	s.asked.Add(1)
	s.link.Store(req.Link.Name)
	kind := dhcp4.MessageTypeOffer
	if req.MessageType() == dhcp4.MessageTypeRequest {
		kind = dhcp4.MessageTypeAck
	}
	reply := req.NewReply(&req.Reply, kind)
	id, yours := labIdentifier, netip.MustParseAddr("10.9.1.42")
	if req.Local.IsValid() {
		id = req.Local
		octets := id.As4()
		octets[3] = 42
		yours = netip.AddrFrom4(octets)
	}
	reply.YourIPAddr = yours
	reply.SetServerIdentifier(id)
	reply.SetIPAddressLeaseTime(time.Hour)
	reply.SetAddrs(dhcp4.OptionSubnetMask, netip.MustParseAddr("255.255.255.0"))
	return reply, nil
}

// serve serves conn until the test ends.
func serve(t *testing.T, conn dhcp4.Conn) *labServer {
	s := new(labServer)
	s.Handler = dhcp4.HandlerFunc(s.serve)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		// Answers may be under way to those who do not wait for them, but nothing may fail.
		if st := s.Stats(); st.Dropped != (dhcp4.Stats{}).Dropped {
			t.Errorf("dropped: %+v", st)
		}
	})
	return s
}

func listen(t *testing.T, cfg Config) *Conn {
	t.Helper()
	c, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testInLab(t *testing.T, clients string) {
	plugged(t, "eth0", "eth1", "eth2")
	within(t, clients, func() { plugged(t, "eth0", "eth1", "eth2") })
	t.Run("frames", func(t *testing.T) { testFrames(t, clients) })
	t.Run("UDP", func(t *testing.T) { testRouted(t, clients) })
	t.Run("checksums", testChecksums)
	t.Run("VLANs", func(t *testing.T) { testVLANs(t, clients) })
	t.Run("interface comes back", func(t *testing.T) { testInterfaceComesBack(t, clients) })
	t.Run("programs", func(t *testing.T) { testPrograms(t, clients) })
	t.Run("UDPConn", func(t *testing.T) { testUDPConn(t, clients) })
	t.Run("closing", testClosing)
	t.Run("not Ethernet", func(t *testing.T) {
		if _, err := Listen(Config{Interfaces: []string{"lo"}}); err == nil || !strings.Contains(err.Error(), "lo is not Ethernet") {
			t.Errorf("got %v", err)
		}
	})
}

func testFrames(t *testing.T, clients string) {
	var file bytes.Buffer
	tap, err := NewTap(&file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // when the server has ended
		if err := tap.Err(); err != nil || file.Len() < 6*300 {
			t.Errorf("the Tap saw %d octets (%v), want three questions and three answers", file.Len(), err)
		}
	})
	s := serve(t, listen(t, Config{Interfaces: []string{"eth0", "eth1", "eth2"}, Tap: tap}))
	eth := map[string]*client{"eth0": newClient(t, clients, "eth0"), "eth1": newClient(t, clients, "eth1")}
	for i, tt := range []struct {
		name  string
		by    string
		flags dhcp4.Flags
		from  string
		to    string
		all   bool
	}{
		{"to the client's own address", "eth0", 0, "10.9.0.1:67", "10.9.0.42:68", false},
		{"broadcast, as it wishes", "eth0", dhcp4.FlagBroadcast, "10.9.0.1:67", "255.255.255.255:68", true},
		{"by an interface without address", "eth1", 0, "198.51.100.1:67", "10.9.1.42:68", false},
	} {
		c := eth[tt.by]
		f := c.ask(c.discover(tt.flags))
		hw := c.hw
		if tt.all {
			hw = toAll
		}
		if f.dstHW != hw || f.src != netip.MustParseAddrPort(tt.from) || f.dst != netip.MustParseAddrPort(tt.to) || f.tag.present {
			t.Errorf("%s: got %+v, want from %s to %s at %x", tt.name, f, tt.from, tt.to, hw)
		}
		if got := s.link.Load(); got != tt.by || s.asked.Load() != int64(i+1) {
			t.Errorf("%s: came by %v, and the server was asked %d times, want %s and %d", tt.name, got, s.asked.Load(), tt.by, i+1)
		}
	}
}

// testRouted has the kernel of the other side send and receive: its datagrams come without a checksum, because their
// sender leaves that to a network card that is none.
func testRouted(t *testing.T, clients string) {
	conn := listen(t, Config{Interfaces: []string{"eth0", "eth1", "eth2"}})
	s := serve(t, conn)
	server := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.9.2.1:67"))
	for i, tt := range []struct {
		name     string
		from     string
		ciaddr   string
		giaddr   string
		wantFrom string
	}{
		{"a client renews", "10.9.2.2:68", "10.9.2.2", "0.0.0.0", "10.9.2.1:67"},
		{"a relay off the link", "192.0.2.1:67", "0.0.0.0", "192.0.2.1", "10.9.2.1:67"},
	} {
		var u *net.UDPConn
		within(t, clients, func() {
			var err error
			u, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(tt.from)))
			if err != nil {
				t.Fatal(err)
			}
		})
		defer u.Close()
		m := dhcp4.Message{OpCode: dhcp4.OpcodeBootRequest, HWType: dhcp4.HWTypeEthernet, ClientHWAddr: clientHW[:],
			ClientIPAddr: netip.MustParseAddr(tt.ciaddr), GatewayIPAddr: netip.MustParseAddr(tt.giaddr)}
		m.SetMessageType(dhcp4.MessageTypeRequest)
		if _, err := u.WriteTo(marshal(t, &m), server); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2000)
		u.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, from, err := u.ReadFromUDPAddrPort(b)
		if err != nil || from != netip.MustParseAddrPort(tt.wantFrom) {
			t.Errorf("%s: answer from %v, %v, want %s", tt.name, from, err, tt.wantFrom)
		}
		if n := s.asked.Load(); n != int64(i+1) {
			t.Errorf("%s: the server was asked %d times, want %d", tt.name, n, i+1)
		}
	}
	if st := conn.Stats(); st != (Stats{}) {
		t.Errorf("counted %+v", st)
	}
}

// testChecksums sends frames through a tap device, which nobody vouches for.
func testChecksums(t *testing.T) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("tap0")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		t.Fatal(err)
	}
	conn := listen(t, Config{Interfaces: []string{"tap0"}})
	defer conn.Close()
	say := func(s string, harm func([]byte)) {
		f := heard()
		f.payload = []byte(s)
		b := appendFrame(nil, &f)
		harm(b)
		if _, err := unix.Write(fd, b); err != nil {
			t.Fatal(err)
		}
	}
	// The tap has just been plugged in; the first frames may be too early for it.
	heardOf := make(chan string, 100)
	go func() {
		defer close(heardOf)
		ds := room(1)
		for {
			if _, err := conn.ReadBatch(ds); err != nil {
				return
			}
			heardOf <- string(ds[0].Data)
		}
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for plugged := false; !plugged; {
		say("hello", func([]byte) {})
		select {
		case <-heardOf:
			plugged = true
		case <-tick.C:
		}
	}
	say("damaged", func(b []byte) { b[len(b)-1]++ })
	say("unsummed", func(b []byte) { b[etherHeader+ipHeader+6], b[etherHeader+ipHeader+7] = 0, 0 })
	for s := range heardOf {
		if s == "hello" {
			continue
		}
		if s != "unsummed" {
			t.Errorf("heard %q", s)
		}
		break
	}
	if st := conn.Stats(); st != (Stats{BadChecksum: 1}) {
		t.Errorf("counted %+v, want one bad checksum", st)
	}
}

func testVLANs(t *testing.T, clients string) {
	interfaces := []string{"eth0"}
	out, err := exec.Command("ip", strings.Fields("link add link eth0 name eth0.200 up type vlan id 200")...).CombinedOutput()
	own := err == nil
	if own {
		interfaces = append(interfaces, "eth0.200")
		defer exec.Command("ip", "link", "delete", "eth0.200").Run()
	} else {
		t.Logf("this kernel has no interfaces of VLANs: %s", out)
	}
	c := newClient(t, clients, "eth0")
	in := func(vlan uint16) frame {
		f := c.discover(0)
		f.tag = tag{present: true, tci: vlan}
		return f
	}
	t.Run("untagged", func(t *testing.T) {
		s := serve(t, listen(t, Config{Interfaces: interfaces}))
		c.say(in(100)) // nobody's
		if own {
			if f := c.ask(in(200)); f.tag.vlan() != 200 || s.link.Load() != "eth0.200" {
				t.Errorf("got %+v for a request by %v, want it in VLAN 200", f, s.link.Load())
			}
		}
		asked := s.asked.Load()
		if f := c.ask(c.discover(0)); f.tag.present || s.link.Load() != "eth0" {
			t.Errorf("got %+v for a request by %v, want it without tag", f, s.link.Load())
		}
		if n := s.asked.Load() - asked; n != 1 {
			t.Errorf("the server was asked %d times, want once", n)
		}
	})
	t.Run("tagged", func(t *testing.T) {
		s := serve(t, listen(t, Config{Interfaces: []string{"eth0"}, Tagged: true}))
		if f := c.ask(in(100)); f.tag.vlan() != 100 || s.link.Load() != "eth0.100" || f.src.Addr() != labIdentifier {
			t.Errorf("got %+v for a request by %v, want it in VLAN 100", f, s.link.Load())
		}
		if f := c.ask(c.discover(0)); f.tag.present || s.link.Load() != "eth0" || s.asked.Load() != 2 {
			t.Errorf("got %+v for a request by %v, want it without tag, and two in all", f, s.link.Load())
		}
	})
}

func testInterfaceComesBack(t *testing.T, clients string) {
	ip := func(args string) {
		t.Helper()
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	add := func() {
		ip("link add eth9 type veth peer name eth9 netns " + clients)
		ip("link set eth9 up")
		ip("-n " + clients + " link set eth9 up")
		plugged(t, "eth9")
		within(t, clients, func() { plugged(t, "eth9") })
	}
	add()
	serve(t, listen(t, Config{Interfaces: []string{"eth9"}}))
	before := newClient(t, clients, "eth9")
	before.ask(before.discover(0))
	ip("link delete eth9")
	add()
	defer ip("link delete eth9")
	after := newClient(t, clients, "eth9")
	for range 4 { // each is up to refreshEvery long
		after.say(after.discover(0))
		if _, ok := after.hear(1); ok {
			return
		}
	}
	t.Error("no answer by the new interface")
}

// testPrograms has DHCP clients that others wrote get an address.
func testPrograms(t *testing.T, clients string) {
	s := serve(t, listen(t, Config{Interfaces: []string{"eth0", "eth1"}}))
	dir := t.TempDir()
	for _, tt := range []struct {
		command string
		want    string // what it says when it is content
	}{
		{"udhcpc -i eth0 -f -n -q -t 3 -s /bin/true", "lease of 10.9.0.42 obtained"},
		{"udhcpc -i eth1 -f -n -q -t 3 -s /bin/true", "lease of 10.9.1.42 obtained"},
		{"dhclient -1 -d -v -sf /bin/true -lf " + dir + "/leases -pf " + dir + "/pid eth0", "bound to 10.9.0.42"},
	} {
		args := strings.Fields(tt.command)
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Logf("%s is not installed", args[0])
			continue
		}
		asked := s.asked.Load()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", clients}, args...)...)
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		content := false
		for lines := bufio.NewScanner(said); !content && lines.Scan(); {
			fmt.Fprintln(&out, lines.Text())
			content = strings.Contains(lines.Text(), tt.want)
		}
		cancel() // dhclient would go on
		cmd.Wait()
		if !content || s.asked.Load() < asked+2 {
			t.Errorf("%s: asked %d times\n%s", tt.command, s.asked.Load()-asked, out.String())
		}
	}
}

// testUDPConn does with a dhcp4.UDPConn what needs several interfaces: its broadcasts leave by the right one.
func testUDPConn(t *testing.T, clients string) {
	for _, tt := range []struct {
		name       string
		interfaces []string
	}{
		{"all interfaces", nil},
		{"one interface", []string{"eth2"}},
		{"two interfaces", []string{"eth2", "eth1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := dhcp4.ListenUDP(dhcp4.UDPConfig{Interfaces: tt.interfaces})
			if err != nil {
				t.Fatal(err)
			}
			s := serve(t, conn)
			eth0, eth2 := newClient(t, clients, "eth0"), newClient(t, clients, "eth2")
			eth0.say(eth0.discover(0))
			f := eth2.ask(eth2.discover(0))
			if f.dstHW != toAll || f.dst != netip.MustParseAddrPort("255.255.255.255:68") || f.src != netip.MustParseAddrPort("10.9.2.1:67") {
				t.Errorf("got %+v, want a broadcast from 10.9.2.1", f)
			}
			wanted := int64(1)
			if tt.interfaces == nil {
				wanted = 2
				if f, ok := eth0.hear(2); !ok || f.src != netip.MustParseAddrPort("10.9.0.1:67") {
					t.Errorf("got %+v, want a broadcast from 10.9.0.1", f)
				}
			}
			if n := s.asked.Load(); n != wanted {
				t.Errorf("the server was asked %d times, want %d", n, wanted)
			}
		})
	}
}

func testClosing(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*Conn) error
	}{{"CloseRead", (*Conn).CloseRead}, {"Close", (*Conn).Close}} {
		c := listen(t, Config{Interfaces: []string{"eth0"}})
		read := make(chan error)
		go func() {
			_, err := c.ReadBatch(room(1))
			read <- err
		}()
		if err := tt.end(c); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: reading ended with %v, want net.ErrClosed", tt.name, err)
		}
		d := dhcp4.Datagram{Data: []byte("x"), Link: dhcp4.Link{Name: "eth0"}, Dst: netip.AddrPortFrom(limitedBroadcast, 68)}
		for _, l := range c.served {
			d.Link.Index = l.Index
		}
		n, err := c.WriteBatch([]dhcp4.Datagram{d})
		if closed := tt.name == "Close"; closed != errors.Is(err, net.ErrClosed) || closed == (n == 1) {
			t.Errorf("%s: writing: %d, %v", tt.name, n, err)
		}
		c.Close()
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: closing again: %v", tt.name, err)
		}
	}
}

//go:build linux

package main_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// raw makes a message of its parts; options are hexadecimal. It says that it is as long as it is.
func raw(kind, offset byte, options ...string) []byte {
	b := []byte{0, 0, kind, offset}
	b = binary.BigEndian.AppendUint32(b, uint32(time.Now().Unix()))
	b = binary.BigEndian.AppendUint32(b, 7) // xid
	data, err := hex.DecodeString(strings.ReplaceAll(strings.Join(options, ""), " ", ""))
	if err != nil {
		panic(err)
	}
	b = append(b, data...)
	binary.BigEndian.PutUint16(b, uint16(len(b)))
	return b
}

// sized is a message that says it has n octets, and has them.
func sized(n int) []byte {
	b := append(raw(11, 12), make([]byte, max(n-12, 0))...)
	binary.BigEndian.PutUint16(b, uint16(n))
	return b
}

// Options of a binding update, in hexadecimal.
const (
	addrOption   = "0002 0004 0a000a0a" // 10.0.10.10
	statusOption = "0003 0001 02"       // ACTIVE
	hwOption     = "0005 0007 01 0242424242 42"
	timesOption  = "000d 0004 6b000000 0012 0004 6b000000 0019 0004 6b000000"
)

// hostile are messages that no good partner sends (reference 1.4, 2 and 3), after a good handshake. Whatever Tandem makes
// of them, it goes on.
var hostile = []struct {
	name string
	data []byte
}{
	{"length 0", sized(0)},
	{"length 11", sized(11)},
	{"length 2049", sized(2049)},
	{"length 65535", sized(65535)},
	{"length 2048 of nothing", sized(2048)},
	{"payload offset 8", raw(11, 8)},
	{"payload offset beyond the message", raw(11, 200)},
	{"payload offset 13, and an option cut short", raw(3, 13, addrOption)},
	{"type 0", raw(0, 12)},
	{"type 0 with options", raw(0, 12, addrOption)},
	{"type 13", raw(13, 12)},
	{"type 13 with options", raw(13, 12, addrOption)},
	{"type 255", raw(255, 12, addrOption)},
	{"an unknown option", raw(11, 12, "012c 0003 616263")},
	{"option 0", raw(11, 12, "0000 0000")},
	{"an option of the wrong size", raw(3, 12, "0002 0003 0a000a")},
	{"an option twice", raw(3, 12, addrOption, statusOption, statusOption)},
	{"two bindings in a message", raw(3, 12, addrOption, statusOption, hwOption, timesOption, "0002 0004 0a000a0b", statusOption, hwOption)},
	{"an option beyond the end", raw(3, 12, "0002 00ff 0a000a0a")},
	{"half an option's head", raw(3, 12, "0002 00")},
	{"IP-flags of one octet", raw(3, 12, addrOption, statusOption, hwOption, "000c 0001 01")},
	{"IP-flags without a name", raw(3, 12, addrOption, statusOption, hwOption, timesOption, "000c 0002 fffc")},
	{"DDNS in a binding update", raw(3, 12, addrOption, statusOption, hwOption, timesOption, "0009 0004 00016100")},
	{"a binding update without anything", raw(3, 12)},
	{"a binding update without status", raw(3, 12, addrOption)},
	{"a binding update without an address", raw(3, 12, statusOption)},
	{"binding status 0", raw(3, 12, addrOption, "0003 0001 00", hwOption, timesOption)},
	{"binding status 9", raw(3, 12, addrOption, "0003 0001 09", hwOption, timesOption)},
	{"ACTIVE of nobody", raw(3, 12, addrOption, statusOption, timesOption)},
	{"ABANDONED of somebody", raw(3, 12, addrOption, "0003 0001 05", hwOption, timesOption)},
	{"a hardware address of 100 octets", raw(3, 12, addrOption, statusOption, "0005 0064", strings.Repeat("01", 100), timesOption)},
	{"a client identifier of 1500 octets", raw(3, 12, addrOption, statusOption, hwOption, "0004 05dc", strings.Repeat("01", 1500))},
	{"an address of nobody's pool", raw(3, 12, "0002 0004 7f000001", statusOption, hwOption, timesOption)},
	{"all times at their end", raw(3, 12, addrOption, "0003 0001 01", "000d 0004 ffffffff 0012 0004 ffffffff 0019 0004 ffffffff")},
	{"an answer to no update", raw(4, 12, addrOption)},
	{"a refusal of no update", raw(4, 12, addrOption, "0015 0001 10")},
	{"an answer without an address", raw(4, 12)},
	{"an answer with times", raw(4, 12, addrOption, hwOption, timesOption)},
	{"a second CONNECT", raw(5, 12, "0016 0007 696e7465726f70")},
	{"a second CONNECTACK", raw(6, 12, "0016 0007 696e7465726f70")},
	{"UPDDONE of nothing", raw(8, 12)},
	{"POOLRESP of nothing", raw(2, 12, "0001 0004 ffffffff")},
	{"STATE without a state", raw(10, 12)},
	{"STATE 0", raw(10, 12, "0018 0001 00 0017 0001 00")},
	{"STATE 1", raw(10, 12, "0018 0001 01 0017 0001 00")},
	{"STATE 99", raw(10, 12, "0018 0001 63 0017 0001 00")},
	{"STATE 253", raw(10, 12, "0018 0001 fd 0017 0001 ff")},
	{"DISCONNECT without a reason", raw(12, 12)},
	{"DISCONNECT with reason 255 and a long text", raw(12, 12, "0015 0001 ff 0010 0400", strings.Repeat("41", 1024))},
}

// flood sends a hundred of a message at once.
func flood(b []byte) []byte {
	var all []byte
	for range 100 {
		all = append(all, b...)
	}
	return all
}

// A partner that is right at first sends everything that it must not send, in any role, on one connection after the
// other. Clients are served, and nothing that it says is made of it.
func TestInteropHostilePartner(t *testing.T) {
	for _, role := range []string{nodePrimary, nodeSecondary} {
		t.Run("script-"+role, func(t *testing.T) {
			long(t)
			t.Parallel()
			other := nodeSecondary
			if role == nodeSecondary {
				other = nodePrimary
			}
			f := brief
			f.pool = 200
			m := loneTandem(t, other, f, 1)
			station := m.probe("c1")
			w := station.tenants(t, station.crowd(macs(20, 1, "")))
			w.settled(t)
			for _, c := range append(hostile, struct {
				name string
				data []byte
			}{"a flood of requests for everything", flood(raw(7, 12))}, struct {
				name string
				data []byte
			}{"a flood of requests for addresses", flood(raw(1, 12))}, struct {
				name string
				data []byte
			}{"random octets", noise(1 << 16)}) {
				from := m.tandem.log.len()
				s := m.script(t, role, m.tandem.addr)
				if err := s.greet(role, m.mclt); err != nil {
					t.Errorf("before %s: %v", c.name, err)
					continue
				}
				if _, err := s.Write(c.data); err != nil {
					t.Logf("%s: %v", c.name, err) // it may be cut off while it still writes
				}
				// What a partner says next is answered, or the connection is closed.
				_ = s.reply(99, &failover.UpdateRequest{})
				for {
					f, err := s.reader.ReadFrame()
					if err == nil && f.XID == 99 && f.Body.Type() == failover.TypeUpdateDone {
						break
					}
					if b, ok := frameBody[*failover.BindingUpdate](f); ok && err == nil { // take what it tells
						_ = s.reply(f.XID, &failover.BindingAck{Results: []failover.Result{{Addr: b.Bindings[0].Addr}}})
					}
					if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
						t.Errorf("%s: neither an answer to what comes next nor the end", c.name)
					}
					if err != nil {
						break
					}
				}
				s.Close()
				m.tandem.waitLog(t, normalPeriod, from, "disconnected")
			}
			w.end(t)
			m.told.checkNoNak(t)
			m.stillServes(t, station.player(macs(1, 9000, "")[0]))
			m.tandemLives(t)
		})
	}
}

// frameBody is the body of a frame, if it is of type T.
func frameBody[T failover.Body](f *failover.Frame) (T, bool) {
	var none T
	if f == nil {
		return none, false
	}
	b, ok := f.Body.(T)
	return b, ok
}

// noise is random octets.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// tandemLives looks whether Tandem runs and has written nothing bad.
func (m *mixed) tandemLives(t testing.TB) {
	t.Helper()
	if !m.tandem.proc.running() {
		t.Error("Tandem does not run any more")
	}
	for _, line := range m.tandem.log.since(0) {
		if fatalLine.MatchString(line) {
			t.Error(line)
		}
	}
}

// A thousand strangers, and as many from the partner's own address, connect to Tandem beside a real partner: they say
// nothing, half of something, or a lot. The pair stays normal, and its clients notice nothing.
func TestInteropStrangers(t *testing.T) {
	eachPairing(t, func(t *testing.T, p pairing) {
		m := mixedPair(t, p, brief, 2)
		m.ip("c2", "addr add 10.0.10.200/24 dev eth0\n")
		m.begin(t)
		station := m.probe("c1")
		w := station.tenants(t, station.crowd(macs(16, 1, "")))
		w.settled(t)
		from := [2]int{m.isc.log.len(), m.tandem.log.len()}
		noise := noise(1 << 20)
		manners := []func(net.Conn){
			func(net.Conn) {}, // half-open
			func(c net.Conn) { _, _ = c.Write([]byte{0}) },
			func(c net.Conn) { _, _ = c.Write(noise) },
			func(c net.Conn) { _, _ = c.Write(sized(65535)) },
			func(c net.Conn) {
				_, _ = c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03GET / HTTP/1.1\r\n\r\n"))
			},
			func(c net.Conn) { _, _ = c.Write(raw(10, 12, "0018 0001 06 0017 0001 00")) }, // STATE before CONNECT
			func(c net.Conn) { _, _ = c.Write(raw(7, 12)) },
			func(c net.Conn) { c.Close() },
		}
		const each = 1000
		for n, node := range []string{"c2", m.isc.node} {
			t.Run("from-"+node, func(t *testing.T) {
				var conns []net.Conn
				var writers sync.WaitGroup
				failed := 0
				for i := range each {
					conn, err := m.dial(node, m.tandem.addr)
					if err != nil {
						failed++ // it may not be accepted any more
						continue
					}
					conns = append(conns, conn)
					_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
					writers.Go(func() { manners[i%len(manners)](conn) })
				}
				writers.Wait()
				t.Logf("%d connections, %d not made", len(conns), failed)
				acquireAll(t, station.crowd(macs(2, 1000*(n+1), "")))
				pass(t.Context(), 2*time.Second)
				for _, c := range conns {
					c.Close()
				}
			})
		}
		for i, s := range []*mate{m.isc, m.tandem} {
			if moves := s.states(from[i]); len(moves) > 0 {
				t.Errorf("%s moved to %v, want it normal all the time", s.name, moves)
			}
		}
		w.end(t)
		m.told.checkNoNak(t)
		t.Run("both lease files agree", func(t *testing.T) { m.agreeNow(t, agreePeriod) })
		m.tandemLives(t)
		if !m.isc.proc.running() {
			t.Error("ISC does not run any more")
		}
		if rss := residentMemory(t, m.tandem); rss > 100<<20 {
			t.Errorf("Tandem has %d octets of memory", rss)
		}
	})
}

// residentMemory returns how much memory a server has, in octets.
func residentMemory(t testing.TB, s *mate) int {
	t.Helper()
	var pages, resident int
	text := readProc(t, s.proc.cmd.Process.Pid, "statm")
	if _, err := fmt.Sscan(text, &pages, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * 4096
}

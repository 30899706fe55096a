//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/pool"
)

// A script plays a failover partner, message by message, in the node of one. It speaks by this project's codec where
// that can say it, and in raw octets where not.
type script struct {
	net.Conn
	reader *failover.Reader
	xid    uint32
	skew   time.Duration // of its clock
}

const failoverPort = 678

// dial opens a connection to a server's failover port from a node.
func (l *lab) dial(node string, to netip.Addr) (net.Conn, error) {
	var conn net.Conn
	err := inNamespace(l.ns(node), func() (err error) {
		// A literal address, so all is done on this thread.
		conn, err = net.DialTimeout("tcp4", netip.AddrPortFrom(to, failoverPort).String(), 5*time.Second)
		return err
	})
	return conn, err
}

// script connects to a server as its partner, and does not say anything yet. A server that dropped such a connection
// a moment ago is asked again.
func (l *lab) script(t testing.TB, node string, to netip.Addr) *script {
	t.Helper()
	conn, err := l.dial(node, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &script{Conn: conn, reader: failover.NewReader(conn)}
}

// send sends a message with the next xid.
func (s *script) send(body failover.Body) error {
	s.xid++
	return s.reply(s.xid, body)
}

// reply sends a message with the xid of what it answers.
func (s *script) reply(xid uint32, body failover.Body) error {
	b, err := (&failover.Frame{Time: time.Now().Add(s.skew), XID: xid, Body: body}).MarshalBinary()
	if err == nil {
		_, err = s.Write(b)
	}
	return err
}

// next returns the next message of type T, and drops others before it.
func next[T failover.Body](s *script) (body T, xid uint32, err error) {
	for {
		f, err := s.reader.ReadFrame()
		if err != nil {
			return body, 0, fmt.Errorf("waiting for %T: %w", body, err)
		}
		if b, ok := f.Body.(T); ok {
			return b, f.XID, nil
		}
	}
}

// connect is a CONNECT that cannot be refused.
func connect(mclt time.Duration) *failover.Connect {
	half, err := pool.Split(seedSplit)
	if err != nil {
		panic(err) // a constant
	}
	return &failover.Connect{Name: relationship, MaxUnacked: 10, ReceiveTimer: 20 * time.Second, VendorClass: "isc-4.4.3-P1", Version: 1, MCLT: mclt, HBA: half}
}

// connectAck is a CONNECTACK that is one.
func connectAck() *failover.ConnectAck {
	return &failover.ConnectAck{Name: relationship, MaxUnacked: 10, ReceiveTimer: 20 * time.Second, VendorClass: "isc-4.4.3-P1", Version: 1}
}

// greet does the handshake with a server, and the STATE of a partner that is cut off.
func (s *script) greet(role string, mclt time.Duration) error {
	if role == nodePrimary { // of the script
		if err := s.send(connect(mclt)); err != nil {
			return err
		}
		if ack, _, err := next[*failover.ConnectAck](s); err != nil || ack.Reason != 0 {
			return fmt.Errorf("CONNECTACK %+v: %w", ack, err)
		}
	} else {
		_, xid, err := next[*failover.Connect](s)
		if err != nil {
			return err
		}
		if err := s.reply(xid, connectAck()); err != nil {
			return err
		}
	}
	if _, _, err := next[*failover.StateReport](s); err != nil {
		return err
	}
	return s.send(&failover.StateReport{State: failover.CommunicationsInterrupted, Since: time.Now()})
}

// refused reports how a server refuses what was just said to it: the reason it gives, or none if it only closes. It is an
// error if it does not.
func (s *script) refused() (failover.RejectReason, error) {
	for {
		f, err := s.reader.ReadFrame()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return 0, fmt.Errorf("not refused: %w", err)
		case err != nil:
			return 0, nil
		}
		switch b := f.Body.(type) {
		case *failover.ConnectAck:
			if b.Reason != 0 {
				return b.Reason, nil
			}
		case *failover.Disconnect:
			return b.Reason, nil
		}
	}
}

// A lone Tandem, whose partner is a script in the other node, has been normal before, and serves.
func loneTandem(t *testing.T, node string, f figures, clients int) *mixed {
	t.Helper()
	long(t)
	l := newLab(t, clients)
	m := &mixed{figures: f, tandem: &mate{file: program(t, ""), name: "Tandem"}}
	m.tandem.server = l.server(node, f.conf(node, ""))
	m.tandem.write("db/dhcpd.leases", fmt.Sprintf(`failover peer "%s" state {
  my state communications-interrupted at 0 2026/11/01 12:00:00;
  partner state communications-interrupted at 0 2026/11/01 12:00:00;
%s}
`, relationship, map[string]string{nodePrimary: "", nodeSecondary: fmt.Sprintf("  mclt %d;\n", int(f.mclt.Seconds()))}[node])+f.backups())
	m.pair = &pair{lab: l, primary: m.tandem.server, secondary: m.tandem.server}
	m.tandem.socket = t.TempDir() + "/ctl"
	m.tandem.start(t)
	m.tandem.waitState(t, 20*time.Second, "communications-interrupted")
	return m
}

// backups are the stanzas of a lease file that give the secondary every other address of the pool.
func (f figures) backups() (text string) {
	for i, a := range seedPool[:f.pool] {
		if i%2 == 1 {
			text += fmt.Sprintf("lease %v {\n  starts 0 2026/11/01 12:00:00;\n  tstp 0 2026/11/01 12:00:00;\n  tsfp 0 2026/11/01 12:00:00;\n  atsfp 0 2026/11/01 12:00:00;\n  binding state backup;\n}\n", a)
		}
	}
	return text
}

// stillServes expects that a client comes to an address at once.
func (m *mixed) stillServes(t testing.TB, c *player) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.acquire(ctx); err != nil {
		t.Errorf("Tandem does not serve %v: %v", c.mac, err)
	}
}

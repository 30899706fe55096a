package failovertest

import (
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// scene is a world in which things are done on purpose.
type scene struct {
	*Model
	t *testing.T
}

// The figures of all scenes.
const (
	sceneMCLT  = 10 * time.Minute
	sceneLease = time.Hour
)

func (s *scene) primary() *server   { return s.servers[0] }
func (s *scene) secondary() *server { return s.servers[1] }

// pass lets time go by.
func (s *scene) pass(d time.Duration) {
	s.t.Helper()
	s.until(s.now + d)
	if s.breach != nil {
		s.t.Fatal(s.breach)
	}
}

// cut lets nothing pass between the servers.
func (s *scene) cut() {
	s.wire.stall(0, true)
	s.wire.stall(1, true)
}

// split is a switch that breaks in two: the primary and the clients of even number on one side.
func (s *scene) split() {
	s.cut()
	for i := range s.lan.cut {
		s.lan.cut[i] = make([]bool, len(s.clients))
		for id := range s.clients {
			s.lan.cut[i][id] = id%2 != i
		}
	}
}

func (s *scene) join() {
	s.mend()
	s.lan.join()
}

func (s *scene) state(n *server, want failover.State) {
	s.t.Helper()
	if n.status.State != want {
		s.t.Fatalf("at %v %v, want %v", s.now, n, want)
	}
}

// down gives the order, which must be taken.
func (s *scene) down(n *server, force bool) {
	s.t.Helper()
	n.give(failover.Order{Kind: failover.OrderPartnerDown, Force: force})
	s.pass(5 * time.Second)
	s.state(n, failover.PartnerDown)
}

// holders counts the clients that hold an address.
func (s *scene) bound() (n int) {
	for _, c := range s.clients {
		if c.holds() {
			n++
		}
	}
	return n
}

// renew makes the client ask n for more time, as if half of the lease had passed, and waits.
func (s *scene) renew(c *client, n *server) {
	s.t.Helper()
	end := c.end
	c.become(renewing)
	c.began, c.server = s.now, n.id
	c.ask()
	s.pass(10 * time.Second)
	if c.end <= end {
		s.t.Fatalf("client %d was not given more time by %s", c.id, n.name)
	}
}

// when lets time go by until something is so.
func (s *scene) when(what string, is func() bool) {
	s.t.Helper()
	for end := s.now + time.Minute; !is(); s.pass(time.Millisecond) {
		if s.now >= end {
			s.t.Fatalf("at %v it is still not so that %s", s.now, what)
		}
	}
}

// away puts a server out of a client's reach.
func (s *scene) away(c *client, v *server) {
	if s.lan.cut[v.id] == nil {
		s.lan.cut[v.id] = make([]bool, len(s.clients))
	}
	s.lan.cut[v.id][c.id] = true
}

// off turns a client off for good.
func (s *scene) off(c *client) {
	c.state = off
	c.turn++
}

// boot starts a server.
func (s *scene) boot(v *server) { s.after(0, v.boot); s.pass(0) }

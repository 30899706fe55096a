package failovertest

import "time"

// lan is the network of the clients.
type lan struct {
	m         *Model
	loss      int // percent
	duplicate int // percent
	delay     time.Duration
	cut       [2][]bool // by server: whether it is out of reach of the client
}

func (l *lan) broadcast(msg message) {
	for i := range l.m.servers {
		l.unicast(i, msg)
	}
}

// unicast sends a message of a client to a server.
func (l *lan) unicast(i int, msg message) {
	l.carry(i, msg, func() {
		if (msg.kind == release || msg.kind == decline) && msg.sentAt < msg.client.asked {
			return // no server can tell that it is older than the lease that was given since
		}
		if s := l.m.servers[i]; s.alive {
			l.m.tracef("client %d %s > %s: %v %v secs %d", msg.client.id, clientStates[msg.client.state], s.name, msg.kind, msg.addr, msg.secs)
			s.hears(msg)
		}
	})
}

// answer sends a message of a server to a client.
func (l *lan) answer(s *server, msg message) {
	l.m.noted('<', s.id, []byte{byte(msg.kind), byte(msg.client.id), byte(msg.time)})
	if msg.kind == ack {
		l.m.tracef("%s > client %d: ACK %v for %d s", s.name, msg.client.id, msg.addr, msg.time)
	}
	l.carry(s.id, msg, func() { msg.client.hears(msg) })
}

func (l *lan) carry(i int, msg message, arrive func()) {
	copies := 1
	if l.m.chance(l.duplicate) {
		copies++
	}
	for range copies {
		if l.away(i, msg.client) || l.m.chance(l.loss) {
			continue
		}
		l.m.after(l.m.upTo(max(l.delay, 2*time.Millisecond)), arrive)
	}
}

// away reports whether a server is out of reach of the client.
func (l *lan) away(i int, c *client) bool { return l.cut[i] != nil && l.cut[i][c.id] }

// split leaves each client one server that it reaches, or with all none.
func (l *lan) split(all bool) {
	for i := range l.cut {
		l.cut[i] = make([]bool, len(l.m.clients))
	}
	for id := range l.m.clients {
		half := l.m.rng.IntN(2)
		l.cut[half][id] = true
		if all {
			l.cut[1-half][id] = true
		}
	}
}

func (l *lan) join() { l.cut = [2][]bool{} }

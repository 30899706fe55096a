package failover_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// stage is where a script is played: two Machines, each with its ledger, the connection between them, one clock.
type stage struct {
	begin, now time.Time
	actors     [2]*actor // primary, secondary
	wire       bool      // there is a connection
	held       bool      // messages wait for "deliver"
	contacts   bool      // CONTACT is shown, too
	isc        bool      // each takes the other for an ISC dhcpd
	out        strings.Builder
	told       time.Time // of the last line of out
}

// actor is one of the two servers.
type actor struct {
	*stage
	name    string
	cfg     failover.Config
	pool    pool.Config
	store   *lease.Memory
	book    *lease.Book
	machine *failover.Machine
	inbox   [][]byte // messages on their way to it
	down    bool
	full    bool // its ledger cannot be written
}

func (s *stage) other(a *actor) *actor {
	if a == s.actors[0] {
		return s.actors[1]
	}
	return s.actors[0]
}

// line says one thing. Before the first line of each moment stands how long after the begin of the script that is; all
// times in a line count from then. Clients are called by their names.
func (s *stage) line(format string, args ...any) {
	at := ""
	if s.out.Len() == 0 || !s.told.Equal(s.now) {
		at = span(s.now.Sub(s.begin))
	}
	s.told = s.now
	text := clientNames.Replace(fmt.Sprintf(format, args...))
	s.out.WriteString(strings.TrimRight(fmt.Sprintf("%-7s %s", at, text), " ") + "\n")
}

// take returns what was said since it was called last.
func (s *stage) take() string {
	defer s.out.Reset()
	return s.out.String()
}

// newStage makes two servers that do not run yet.
func (s *stage) reset(addrs int, mclt time.Duration, safe time.Duration, split int) error {
	begin := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	*s = stage{begin: begin, now: begin, contacts: s.contacts, isc: s.isc}
	hba, err := pool.Split(split)
	if err != nil {
		return err
	}
	first := netip.MustParseAddr("10.0.0.10")
	last := first
	for range addrs - 1 {
		last = last.Next()
	}
	for i, name := range []string{"primary", "secondary"} {
		a := &actor{stage: s, name: name, store: lease.NewMemory(), down: true}
		a.pool = pool.Config{Name: "10.0.0.0/24", Ranges: []pool.Range{{First: first, Last: last}}}
		a.cfg = failover.Config{
			Name: "office", Role: failover.Role(i), MaxSecs: 3, SafePeriod: safe,
			Local:          netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 647),
			Partner:        netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(2 - i)}), 647),
			NoConfigDigest: true, // no two Tandems differ here, and an ISC dhcpd knows nothing of it
		}
		if i == 0 {
			a.cfg.MCLT, a.cfg.HBA = mclt, &hba
		}
		s.actors[i] = a
	}
	return nil
}

// start makes a Machine of what the ledger has.
func (a *actor) start() error {
	if !a.down {
		return fmt.Errorf("%s runs already", a.name)
	}
	var err error
	if a.book, err = lease.OpenBook(context.Background(), a.store, lease.BookConfig{}); err != nil {
		return err
	}
	p, err := pool.New(a.pool, a.book)
	if err != nil {
		return err
	}
	a.book.Observe(p)
	a.cfg.Pools = []*pool.Pool{p}
	peer, _ := a.book.Peer(a.cfg.Name)
	if a.machine, err = failover.NewMachine(a.cfg, a.book, a.book.All(), peer); err != nil {
		return err
	}
	a.down = false
	return a.step(failover.Started{})
}

var errFull = errors.New("no space left on device")

// step does one Step of the Machine and what it wants, in the order of failover.Effects. It returns Effects.Refused.
func (a *actor) step(ev failover.Event) error {
	before := failover.State(0)
	if _, first := ev.(failover.Started); !first {
		before = a.machine.State()
	}
	e := a.machine.Step(a.now, ev)
	if a.full && !e.Save.Empty() {
		a.line("%s cannot write, on %s: nothing is told to anybody", a.name, strings.TrimPrefix(fmt.Sprintf("%T", ev), "failover."))
		a.machine.Settle(errFull)
		a.cut(errFull)
		return errFull
	}
	for _, p := range e.Save.Peers {
		a.line("%s writes state %v, peer %v", a.name, failover.State(p.State), failover.State(p.Partner))
	}
	for _, c := range e.Save.Changes {
		a.line("%s writes %s", a.name, changes(a.now, c))
	}
	if err := a.book.Apply(context.Background(), e.Save); err != nil {
		return err
	}
	a.machine.Settle(nil)
	if after := a.machine.State(); after != before && before != 0 {
		a.line("%s: %v -> %v%s", a.name, before, after, cause(e.Notes))
	}
	for _, c := range e.Conflicts {
		who := "its own counts"
		if c.Accepted {
			who = "its partner's counts"
		}
		a.line("%s finds a conflict at %v: %v of %v here, %v of %v there: %s", a.name, c.Addr,
			c.Ours.Status, c.Ours.Client, c.Theirs.Status, c.Theirs.Client, who)
	}
	for _, f := range e.Send {
		if err := a.send(f); err != nil {
			return err
		}
	}
	if e.Fence {
		a.line("%s asks the fence: is the partner down for sure?", a.name)
	}
	if e.Close != nil {
		a.line("%s closes the connection: %v", a.name, e.Close)
		a.cut(e.Close)
	}
	return e.Refused
}

// cause is why the state changed, from the line that the log would have.
func cause(notes []failover.Note) string {
	for _, n := range notes {
		if i := strings.Index(n.Text, "I move from"); i >= 0 {
			if j := strings.Index(n.Text[i:], "("); j >= 0 {
				return " " + n.Text[i+j:]
			}
		}
	}
	return ""
}

// send puts a message on the connection, encoded.
func (a *actor) send(f *failover.Frame) error {
	if _, quiet := f.Body.(*failover.Contact); !quiet || a.contacts {
		a.line("%s -> %s %s", a.name, a.other(a).name, f.Relative(a.now))
	}
	if !a.wire {
		return nil
	}
	b, err := f.AppendBinary(nil)
	if err != nil {
		return err
	}
	a.other(a).inbox = append(a.other(a).inbox, b)
	return nil
}

// changes says in which way a lease changes: the words of lease.Lease, times from now on.
func changes(now time.Time, c lease.Change) string {
	old, l := c.Old, c.New
	if old == (lease.Lease{}) {
		old = lease.Virgin(l.Addr)
	}
	words := []string{l.Addr.String()}
	if old.Status != l.Status {
		words = append(words, fmt.Sprintf("%v->%v", old.Status, l.Status))
	}
	if old.Client != l.Client {
		words = append(words, "client="+nobody(l.Client))
	}
	for _, t := range []struct {
		name     string
		old, new time.Time
	}{
		{"until", old.Expiry, l.Expiry}, {"sent", old.SentPotentialExpiry, l.SentPotentialExpiry},
		{"acked", old.AckedPotentialExpiry, l.AckedPotentialExpiry},
		{"received", old.ReceivedPotentialExpiry, l.ReceivedPotentialExpiry},
	} {
		if !t.old.Equal(t.new) {
			words = append(words, t.name+"="+offset(now, t.new))
		}
	}
	if old.Rewind != l.Rewind {
		words = append(words, "partner-has="+l.PartnerStatus().String())
	}
	if old.Unacked != l.Unacked {
		words = append(words, map[bool]string{true: "unacked", false: "known-to-partner"}[l.Unacked])
	}
	if len(words) == 1 {
		words = append(words, "(as it was)")
	}
	return strings.Join(words, " ")
}

func nobody(c lease.Client) string {
	if c.IsZero() {
		return "nobody"
	}
	return c.String()
}

func offset(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "none"
	case t.Equal(lease.Never):
		return "never"
	}
	s := span(t.Sub(now))
	if s[0] != '-' {
		s = "+" + s
	}
	return s
}

// span is d without the zeros at its end.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// connect does what two Endpoints do on a new connection.
func (s *stage) connect(skew time.Duration) error {
	p, q := s.actors[0], s.actors[1]
	if s.wire || p.down || q.down {
		return errors.New("both must run, and not be connected")
	}
	room := func() bool { return true }
	connect := p.cfg.ConnectFrame(s.now.Add(skew))
	s.line("primary -> secondary %s", connect.Relative(s.now))
	ack, atSecondary, refused := q.cfg.AnswerConnect(s.now, connect, room)
	s.line("secondary -> primary %s", ack.Relative(s.now))
	if refused != nil {
		return nil
	}
	atPrimary, _, err := p.cfg.TakeConnectAck(s.now, ack, room)
	if err != nil {
		return err
	}
	if s.isc {
		atPrimary.VendorClass, atSecondary.VendorClass = "isc-4.4.3-P1", "isc-4.4.3-P1"
	}
	s.wire = true
	if err := q.step(failover.Connected{Session: atSecondary}); err != nil {
		return err
	}
	return p.step(failover.Connected{Session: atPrimary})
}

// cut ends the connection. What is on its way is lost.
func (s *stage) cut(why error) {
	if !s.wire {
		return
	}
	s.wire = false
	for _, a := range s.actors {
		a.inbox = nil
	}
	for _, a := range s.actors {
		if !a.down {
			_ = a.step(failover.Disconnected{Cause: why}) // refuses nothing
		}
	}
}

const maxSteps = 100000 // of one command

// settle delivers messages until there are none.
func (s *stage) settle() error {
	for range maxSteps {
		idle := true
		for _, a := range s.actors {
			if a == nil || len(a.inbox) == 0 {
				continue
			}
			idle = false
			if err := a.deliver(); err != nil {
				return err
			}
		}
		if idle {
			return nil
		}
	}
	return errors.New("the two do not come to rest")
}

// deliver brings an actor its next message.
func (a *actor) deliver() error {
	f := new(failover.Frame)
	if err := f.UnmarshalBinary(a.inbox[0]); err != nil {
		return err
	}
	a.inbox = a.inbox[1:]
	return a.step(failover.Received{Frame: f})
}

// pass lets time go by, with a Tick at each Deadline.
func (s *stage) pass(d time.Duration) error {
	end := s.now.Add(d)
	for range maxSteps {
		if !s.held {
			if err := s.settle(); err != nil {
				return err
			}
		}
		at, due := end, (*actor)(nil)
		for _, a := range s.actors {
			if a.down {
				continue
			}
			if t, ok := a.machine.Deadline(); ok && !t.After(at) {
				at, due = t, a
			}
		}
		if at.After(s.now) {
			s.now = at
		}
		if due == nil {
			s.now = end
			return nil
		}
		if err := due.step(failover.Tick{}); err != nil && !errors.Is(err, errFull) {
			return err
		}
	}
	return errors.New("time does not pass")
}

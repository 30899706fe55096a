package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// start is when the virtual time of these tests begins.
var start = time.Unix(1795349310, 0).UTC()

// world is two Machines with their ledgers on one goroutine and one virtual clock. Messages go through the codec.
type world struct {
	t     *testing.T
	now   time.Time
	nodes [2]*node // primary, secondary
	wire  bool     // connected
	quiet bool     // log nothing
}

type node struct {
	w       *world
	name    string
	cfg     Config
	store   *lease.Memory
	book    *lease.Book
	pool    *pool.Pool
	machine *Machine
	inbox   [][]byte      // encoded messages on their way here
	fail    error         // what the ledger says to the next save
	dead    bool          // it does not run
	skew    time.Duration // of its clock

	conflicts []Conflict
	log       []string
}

func newWorld(t *testing.T, addrs int) *world {
	w := &world{t: t, now: start}
	hba, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	first := netip.MustParseAddr("10.0.10.10")
	last := first
	for range addrs - 1 {
		last = last.Next()
	}
	for i, name := range []string{"primary", "secondary"} {
		n := &node{w: w, name: name, store: lease.NewMemory()}
		n.cfg = Config{
			Name: "ha-dhcp", Role: Role(i),
			Local:   netip.MustParseAddrPort(fmt.Sprintf("10.0.10.%d:678", 251+i)),
			Partner: netip.MustParseAddrPort(fmt.Sprintf("10.0.10.%d:678", 252-i)),
			MaxSecs: 3, ReceiveTimer: time.Minute, MaxUnacked: 10,
		}
		if n.cfg.Role == Primary {
			n.cfg.MCLT, n.cfg.HBA = time.Hour, &hba
		}
		n.cfg.Pools = []*pool.Pool{nil}
		w.nodes[i] = n
		n.boot(pool.Config{Name: "10.0.10.0/24", Ranges: []pool.Range{{First: first, Last: last}}})
	}
	return w
}

// boot makes a Machine over what the store has.
func (n *node) boot(pc pool.Config) {
	n.w.t.Helper()
	ctx := context.Background()
	var err error
	if n.book, err = lease.OpenBook(ctx, n.store, lease.BookConfig{}); err != nil {
		n.w.t.Fatal(err)
	}
	if n.pool, err = pool.New(pc, n.book); err != nil {
		n.w.t.Fatal(err)
	}
	n.book.Observe(n.pool)
	n.cfg.Pools[0] = n.pool
	peer, _ := n.book.Peer(n.cfg.Name)
	if n.machine, err = NewMachine(n.cfg, n.book, n.book.All(), peer); err != nil {
		n.w.t.Fatal(err)
	}
	n.step(Started{})
}

// now is what the clock of the node shows.
func (n *node) now() time.Time { return n.w.now.Add(n.skew) }

func (n *node) other() *node {
	if n == n.w.nodes[0] {
		return n.w.nodes[1]
	}
	return n.w.nodes[0]
}

// step does one Step and its effects, as Endpoint does.
func (n *node) step(ev Event) error {
	n.w.t.Helper()
	e := n.machine.Step(n.now(), ev)
	err := n.fail
	n.fail = nil
	if err == nil {
		err = n.book.Apply(context.Background(), e.Save)
		if err != nil {
			n.w.t.Fatalf("%s: %T: save: %v", n.name, ev, err)
		}
	}
	n.machine.Settle(err)
	if err == nil {
		n.conflicts = append(n.conflicts, e.Conflicts...)
	}
	for _, note := range e.Notes {
		n.log = append(n.log, note.Text)
		if !n.w.quiet {
			n.w.t.Logf("%7.0fs %-9s %s", n.w.now.Sub(start).Seconds(), n.name, note.Text)
		}
	}
	if err != nil {
		n.w.cut(err)
		return err
	}
	if n.w.wire {
		for _, f := range e.Send {
			b, err := f.AppendBinary(nil)
			if err != nil {
				n.w.t.Fatalf("%s sends what cannot be sent: %v: %v", n.name, f, err)
			}
			n.other().inbox = append(n.other().inbox, b)
		}
	}
	if e.Close != nil {
		n.w.cut(e.Close)
	}
	return e.Refused
}

// connect makes the connection, with what CONNECT and CONNECTACK would settle.
func (w *world) connect() {
	w.t.Helper()
	p, s := w.nodes[0].cfg.withDefaults(), w.nodes[1].cfg.withDefaults()
	yes := func() bool { return true }
	ack, atSecondary, err := s.AnswerConnect(w.now, p.ConnectFrame(w.now), yes)
	if err != nil {
		w.t.Fatal(err)
	}
	atPrimary, _, err := p.TakeConnectAck(w.now, ack, yes)
	if err != nil {
		w.t.Fatal(err)
	}
	w.wire = true
	w.nodes[1].step(Connected{atSecondary})
	if w.wire { // its ledger took it
		w.nodes[0].step(Connected{atPrimary})
	}
}

// cut ends the connection; what is on its way is lost.
func (w *world) cut(cause error) {
	if !w.wire {
		return
	}
	w.wire = false
	for _, n := range w.nodes {
		n.inbox = nil
		if !n.dead {
			n.step(Disconnected{cause})
		}
	}
}

// settle delivers messages until there are none.
func (w *world) settle() {
	w.t.Helper()
	for range 100000 {
		idle := true
		for i := range w.nodes {
			idle = !w.deliver(i) && idle
		}
		if idle {
			return
		}
	}
	w.t.Fatal("the two do not come to rest")
}

// deliver brings the next message to a node, and reports whether there was one.
func (w *world) deliver(to int) bool {
	w.t.Helper()
	n := w.nodes[to]
	if len(n.inbox) == 0 {
		return false
	}
	var f Frame
	if err := f.UnmarshalBinary(n.inbox[0]); err != nil {
		w.t.Fatal(err)
	}
	n.inbox = n.inbox[1:]
	n.step(Received{&f})
	return true
}

// pass lets time go by, with a Tick at each Deadline.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for range 1000000 {
		w.settle()
		var due *node
		at := end
		for _, n := range w.nodes {
			if t, ok := n.machine.Deadline(); ok && !n.dead && !t.Add(-n.skew).After(at) {
				due, at = n, t.Add(-n.skew)
			}
		}
		if at.After(w.now) {
			w.now = at
		}
		if due == nil {
			w.now = end
			return
		}
		had := due.pool.Counts()
		err := due.step(Tick{})
		if a := due.machine.answer; a != nil && a.rest || due.pool.Counts() != had {
			continue // a part of it is done
		}
		if t, ok := due.machine.Deadline(); ok && err == nil && !t.After(due.now()) && t.Add(-due.skew).Equal(at) {
			w.t.Fatalf("%s in %v: a Tick did not move the Deadline %v", due.name, due.machine.State(), t)
		}
	}
	w.t.Fatal("time does not pass: a Tick leaves its Deadline")
}

// crash restarts a node from its ledger. The connection is lost.
func (n *node) crash() {
	n.w.t.Helper()
	n.w.cut(errors.New("crash"))
	n.dead = false
	n.boot(pool.Config{Name: n.pool.Name(), Ranges: n.pool.Ranges()})
}

// die stops a node without a word.
func (n *node) die() {
	n.dead = true
	n.w.cut(errors.New("killed"))
}

func (n *node) state(want State) {
	n.w.t.Helper()
	if got := n.machine.State(); got != want {
		n.w.t.Errorf("at %v %s is in %v, want %v", n.w.now.Sub(start), n.name, got, want)
	}
}

func (n *node) counts(free, backup int) {
	n.w.t.Helper()
	if c := n.pool.Counts(); c.Free != free || c.Backup != backup {
		n.w.t.Errorf("%s has %d free, %d backup; want %d, %d", n.name, c.Free, c.Backup, free, backup)
	}
}

func mac(i byte) lease.Client {
	return lease.Client{HW: lease.MakeHWAddr(1, []byte{2, 0, 0, 0, 0, i})}
}

// grant gives a client an address as dora would: its own, or a new one; and returns what it is told.
func (n *node) grant(c lease.Client, want time.Duration) (lease.Lease, error) {
	n.w.t.Helper()
	now := n.now()
	var old lease.Lease
	for l := range n.book.ByClient(0, c) {
		if l.Status == lease.Active {
			old = l
		}
	}
	st := n.machine.Status()
	if old.Status == 0 {
		l, ok := n.pool.Pick(n.cfg.Role.own(), func(l lease.Lease) bool {
			return mayGrant(st.Role, services[st.State], st.Since, st.MCLT, now, l, c) == nil
		})
		if !ok {
			return lease.Lease{}, errors.New("no free leases")
		}
		old = l
	}
	l := old
	l.Status, l.Client, l.LastTransaction = lease.Active, c, now
	l.SentPotentialExpiry = now.Add(want)
	l.Expiry = LatestExpiry(now, now.Add(want), old, c, st.MCLT)
	told := l.Expiry
	if err := n.step(Changed{lease.Change{Old: old, New: l}}); err != nil {
		return lease.Lease{}, err
	}
	l = n.book.Get(l.Addr)
	l.Expiry = told
	return l, nil
}

// agree fails the test if the two ledgers differ in who has what.
func (w *world) agree() {
	w.t.Helper()
	a, b := w.nodes[0].book, w.nodes[1].book
	for _, bk := range []*lease.Book{a, b} {
		if err := lease.Check(bk.All()); err != nil {
			w.t.Error(err)
		}
		for l := range bk.All() {
			x, y := a.Get(l.Addr), b.Get(l.Addr)
			if x.Status != y.Status || x.Client != y.Client || x.Status == lease.Active && x.Expiry != y.Expiry || x.Unacked || y.Unacked {
				w.t.Errorf("%v: primary %v %v %v unacked=%v, secondary %v %v %v unacked=%v", l.Addr, x.Status, x.Client, x.Expiry, x.Unacked, y.Status, y.Client, y.Expiry, y.Unacked)
			}
		}
	}
}

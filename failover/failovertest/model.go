package failovertest

import (
	"container/heap"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// epoch is when virtual time begins.
var epoch = time.Unix(1_800_000_000, 0).UTC()

// longWorlds is how many worlds of a hundred live for weeks.
const longWorlds = 30

// Bounds of a run. Past one of them the world does not come to rest, which is a Breach of I10.
const (
	maxSteps   = 5_000_000 // events of a run
	maxInstant = 20_000    // events at one instant
)

// The quiet at the end of a run.
const (
	calmTime = 5 * time.Minute // for the two to find each other again, and for what is on its way, beside MCLT
	talkTime = time.Hour       // at the very end, for counting what they still say to each other
)

// Config describes a world. The zero value of a field, Seed and Trace aside, lets the seed choose.
type Config struct {
	Seed      uint64
	Addresses int           // in the one pool that the partners share
	Clients   int           // on the LAN
	Time      time.Duration // how long things go wrong; the quiet at the end comes on top
	Faults    Kinds         // which kinds of fault there are; None for a world without
	Skew      time.Duration // up to how much the two clocks differ; 0: they are equal

	// ISC says which of the two behaves as ISC dhcpd does. What is asked then is what Tandem can keep alone: see ISC.
	ISC ISC

	// Only, if it is not nil, are the numbers of the faults that are to happen, counted from 0 in their order, and no
	// other does.
	Only []int
	// Trace, if it is not nil, is written what happens, a line each.
	Trace io.Writer

	fix func(*Model) // changes what the seed has chosen
}

// Report says what happened in a run.
type Report struct {
	Seed     uint64
	Time     time.Duration             // virtual
	Steps    int                       // events of the world
	Messages int                       // of the partners to each other
	Acks     int                       // received by clients
	Faults   []Fault                   // that were to happen
	Hash     uint64                    // of all that was said and written, in its order: equal for equal runs
	Doubled  int                       // addresses given to two clients where no protocol could help it, see the package
	Pairs    map[[2]failover.State]int // the primary's and the secondary's state, as on record: steps
	Cells    map[Cell]int              // how often a server in a state met an event
}

// Breach is the error of a run in which a promise did not hold.
type Breach struct {
	Invariant string // "I1" and so on
	Seed      uint64
	At        time.Duration // virtual time since the beginning
	Addr      netip.Addr    // that it is about; invalid if it is about none
	Text      string
}

// Error returns the promise, the seed, the time and what was found.
func (b *Breach) Error() string {
	return fmt.Sprintf("failovertest: %s broken (seed %d) at %v: %s", b.Invariant, b.Seed, b.At, b.Text)
}

// Model is a world. It is made by New and run once.
type Model struct {
	cfg    Config
	rng    *rand.Rand // of the world
	now    time.Duration
	events events
	seq    uint64 // of the last event scheduled
	report Report
	hash   hash.Hash64
	breach *Breach

	// What the seed or the Config has chosen for this world.
	kinds       Kinds         // of the lasting faults
	long        bool          // it lives for weeks, and the figures are those of a real network
	mclt, lease time.Duration // of the primary; of the clients without a partner
	receive     time.Duration
	abandon     time.Duration
	safe        time.Duration // Config.SafePeriod
	maxSecs     uint16
	split       int  // hash buckets of the primary
	authority   bool // the servers are authoritative for the network
	full, eager bool // Config.FullLeases, Config.EagerBalance
	files       bool // the ledgers are lease files on disks that tear
	window      int

	calm      bool          // nothing goes wrong any more
	closed    bool          // the clients have gone
	ruined    bool          // a ruinous fault has happened
	stale     bool          // a server runs with a ledger that was put back, and was not told to recover
	unequal   bool          // the pools differ for good
	down      bool          // a server was in PARTNER-DOWN
	slop      time.Duration // the most that a clock was off when it was set
	target    pool.Config   // the pool as last configured; zero if it never changed
	disturbed time.Duration // when something last began or ended to go wrong
	guard     time.Duration // until when nothing may come between the two servers

	servers      [2]*server
	clients      []*client
	lan          lan
	wire         wire
	holders      map[netip.Addr]*client // who received the last DHCPACK for an address
	doubles      []double               // see told
	conversation int                    // messages but CONTACT since the last look
}

// New returns the world that cfg describes.
func New(cfg Config) *Model {
	m := &Model{
		cfg:     cfg,
		rng:     rand.New(rand.NewPCG(cfg.Seed, 1)),
		hash:    fnv.New64a(),
		holders: make(map[netip.Addr]*client),
	}
	if m.cfg.Faults == 0 {
		m.cfg.Faults = All
	}
	if m.cfg.ISC != ISCNone {
		m.cfg.Faults &= iscFaults | None
	}
	m.long = cfg.Time == 0 && m.rng.IntN(100) < longWorlds
	if m.cfg.Addresses == 0 {
		m.cfg.Addresses = 4 + m.rng.IntN(24)
	}
	if m.cfg.Clients == 0 {
		m.cfg.Clients = 2 + m.rng.IntN(m.cfg.Addresses*5/4)
	}
	if m.cfg.Time == 0 {
		m.cfg.Time = time.Duration(1+m.rng.IntN(5)) * time.Hour
		if m.long {
			m.cfg.Time *= 24 * 7 // weeks
		}
	}
	m.mclt = one(m, 30*time.Second, 2*time.Minute, 10*time.Minute, time.Hour)
	m.lease = one(m, 2*time.Minute, 10*time.Minute, time.Hour, 2*time.Hour)
	m.receive = one(m, 15*time.Second, 30*time.Second, time.Minute)
	m.abandon = 30 * time.Minute
	m.safe = one(m, 0, 0, 0, 5*time.Minute)
	if m.long {
		m.mclt = one(m, time.Hour, 4*time.Hour, 24*time.Hour)
		m.lease = one(m, 8*time.Hour, 24*time.Hour, 7*24*time.Hour)
		m.receive = one(m, 10*time.Minute, time.Hour)
		m.abandon = 24 * time.Hour
		m.safe = one(m, 0, 0, 12*time.Hour)
	}
	m.maxSecs = one[uint16](m, 0, 3, 3, 10)
	m.split = one(m, 128, 128, 128, 0, 256, 77)
	m.authority = m.rng.IntN(2) == 0
	m.full, m.eager = m.chance(20), m.chance(15)
	m.files = m.chance(15) && !m.long
	m.window = one(m, 1, 2, 10, 100)
	for _, k := range drawKinds(m.rng, m.cfg.Faults&lasting) {
		m.kinds |= k
	}
	if m.cfg.ISC != ISCNone {
		m.safe, m.full, m.ruined, m.down = 0, false, true, true // less is asked
	}
	if m.kinds&ClockDrift != 0 && m.cfg.Skew == 0 {
		m.cfg.Skew = m.upTo(15 * time.Second)
	}
	if cfg.fix != nil {
		cfg.fix(m)
	}
	m.report = Report{Seed: cfg.Seed, Pairs: make(map[[2]failover.State]int), Cells: make(map[Cell]int)}
	m.wire.m, m.lan.m = m, m
	m.wire.delay = one(m, time.Millisecond, 50*time.Millisecond, 500*time.Millisecond)
	m.build()
	return m
}

// one returns one of the values.
func one[T any](m *Model, values ...T) T { return values[m.rng.IntN(len(values))] }

// upTo returns a duration from 0 to d, in milliseconds.
func (m *Model) upTo(d time.Duration) time.Duration {
	return time.Duration(m.rng.Int64N(int64(d/time.Millisecond)+1)) * time.Millisecond
}

// chance reports true in so many cases of a hundred.
func (m *Model) chance(percent int) bool { return m.rng.IntN(100) < percent }

// Run lets the world live, and returns what happened; with a *Breach if a promise did not hold, which ends the run. Any
// other error says that the Model itself is at fault.
func (m *Model) Run() (report Report, err error) {
	defer func() {
		if p := recover(); p != nil { // I11
			m.fail("I11", netip.Addr{}, "panic: %v\n%s", p, debug.Stack())
			report, err = m.report, m.breach
		}
	}()
	m.start()
	m.plan()
	m.until(m.cfg.Time)
	return m.finish()
}

// start lets servers and clients begin.
func (m *Model) start() {
	for i, s := range m.servers {
		at := time.Duration(0)
		if i == 1 && m.kinds&LateStart != 0 {
			at = m.upTo(20 * time.Minute)
		}
		m.after(at, s.boot)
		if m.cfg.Skew > 0 {
			s.set(m.upTo(2*m.cfg.Skew) - m.cfg.Skew)
		}
		if m.cfg.ISC != ISCNone {
			m.safe, m.full, m.ruined, m.down = 0, false, true, true // less is asked
		}
		if m.kinds&ClockDrift != 0 {
			s.clk.rate = (m.rng.Float64() - 0.5) / 50 // 1 % either way
			m.discipline(s)
		}
	}
	for _, c := range m.clients {
		m.after(m.upTo(5*time.Minute), c.begin)
	}
}

// finish lets the world come to rest, and tells what happened in it.
func (m *Model) finish() (Report, error) {
	if m.breach == nil {
		m.quiet()
	}
	for _, s := range m.servers {
		s.store.crash(false)
	}
	m.report.Time, m.report.Hash = m.now, m.hash.Sum64()
	if m.breach != nil {
		return m.report, m.breach
	}
	return m.report, nil
}

// quiet ends all that goes wrong and asks what must be so then (I9).
func (m *Model) quiet() {
	m.heal()
	m.tracef("all is well from here on")
	m.checkSoon()
	m.until(m.now + calmTime + 2*m.mclt + 2*m.receive)
	m.closed = true
	m.tracef("the clients are gone")
	m.until(m.now + 2*time.Minute + 2*m.receive)
	m.checkAgreement(false)
	m.until(max(m.now, m.lastPromise()) + m.abandon + 4*time.Hour)
	m.conversation = 0
	m.until(m.now + talkTime)
	m.checkAgreement(true)
}

// lastPromise is when the last lease of either ledger ends.
func (m *Model) lastPromise() time.Duration {
	end := time.Duration(0)
	for _, s := range m.servers {
		for l := range s.book.All() {
			end = max(end, l.Expiry.Sub(epoch))
		}
	}
	return end
}

// event is something that will happen.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// after lets something happen after a while.
func (m *Model) after(d time.Duration, do func()) {
	m.seq++
	heap.Push(&m.events, event{m.now + max(d, 0), m.seq, do})
}

// until lets the world live until then, or until a promise is broken.
func (m *Model) until(end time.Duration) {
	instant := 0
	for len(m.events) > 0 && m.breach == nil && m.events[0].at <= end {
		e := heap.Pop(&m.events).(event)
		if e.at > m.now {
			instant = 0
		}
		m.now = e.at
		m.report.Steps++
		if instant++; instant > maxInstant || m.report.Steps > maxSteps {
			m.fail("I10", netip.Addr{}, "the world does not come to rest: %d events, %d at this instant", m.report.Steps, instant)
			return
		}
		e.do()
	}
	if m.breach == nil {
		m.now = max(m.now, end)
	}
}

// fail records the first breach.
func (m *Model) fail(invariant string, a netip.Addr, format string, args ...any) {
	if m.breach == nil {
		m.breach = &Breach{invariant, m.cfg.Seed, m.now, a, fmt.Sprintf(format, args...)}
		m.tracef("*** %s: %s", invariant, m.breach.Text)
	}
}

// tracef writes a line of the trace.
func (m *Model) tracef(format string, args ...any) {
	if m.cfg.Trace != nil {
		fmt.Fprintf(m.cfg.Trace, "%12.3f "+format+"\n", append([]any{m.now.Seconds()}, args...)...)
	}
}

// noted adds to the hash of the run.
func (m *Model) noted(what byte, who int, octets []byte) {
	b := [10]byte{what, byte(who)}
	for i := range 8 {
		b[2+i] = byte(uint64(m.now) >> (8 * i))
	}
	m.hash.Write(b[:])
	m.hash.Write(octets)
}

// at is a time of a server's clock as the trace shows it: seconds since the beginning.
func at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%.0f", t.Sub(epoch).Seconds())
}

// show is a lease as the trace shows it.
func show(l lease.Lease) string {
	s := fmt.Sprintf("%v %v of %v since %s end %s heard %s sent %s acked %s received %s", l.Addr, l.Status, l.Client,
		at(l.Since), at(l.Expiry), at(l.LastTransaction), at(l.SentPotentialExpiry), at(l.AckedPotentialExpiry), at(l.ReceivedPotentialExpiry))
	if l.Rewind != 0 {
		s += fmt.Sprintf(" rewind %v", l.Rewind)
	}
	if l.Unacked {
		s += " unacked"
	}
	return s
}

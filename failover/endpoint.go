package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tandem-dhcp/tandem/lease"
)

const (
	maxInbox  = 1024            // events of each kind that wait for the loop; past it whoever brings one waits
	retryTime = 1 * time.Second // after a write that failed
)

// ErrStopped says that the Endpoint does not run.
var ErrStopped = errors.New("failover: endpoint is stopped")

// Options are what an Endpoint is given besides its Config. The zero value is a good one.
type Options struct {
	Transport Transport   // nil is TCP between Config.Local and Config.Partner; see also TLS and Mux
	Logger    *zap.Logger // nil is silent
	// Clock is what this server takes for the time of day: nil is time.Now. A test gives two servers clocks that differ.
	Clock func() time.Time
	// Conflict, if not nil, is told of each binding that both partners had changed without the other, and how it was
	// resolved. It is called from the Endpoint's loop, after that is durable, and must not wait.
	Conflict func(Conflict)
	// Difference, if not nil, is told in what the partner's configuration differs from this server's, once in each
	// connection in which it does: see Config.NoConfigDigest. It is called as Conflict is.
	Difference func([]Difference)
	// Fence is asked, when the partner has not been heard for Config.SafePeriod, whether it is down for sure: a witness
	// that neither serves, a router protocol's mastership, a power switch. It returns nil only if the partner does not
	// serve and cannot begin to. It is called again each SafePeriod until it does or the partner is heard.
	Fence func(ctx context.Context) error
}

// Endpoint is this server's side of a relationship: it owns a Machine, holds the connection to the partner, and lets
// through what the Machine allows. It is the dora.Gate of the pools of the relationship. All methods but Run may be
// called from several goroutines.
//
// Everything that happens goes through one loop, which decides on what waits, writes the ledger once, and only then
// tells the partner and whoever called Commit.
type Endpoint struct {
	cfg       Config
	transport Transport
	log       *zap.Logger
	book      *lease.Book
	clock     func() time.Time // nil is time.Now
	fence     func(context.Context) error
	conflict  func(Conflict)
	differ    func([]Difference)
	patience  *patience

	inbox      chan item // what comes from the partner
	calls      chan item // what clients and operators ask; it is taken first, so that a flood of the partner's does not delay it
	status     atomic.Pointer[Status]
	taken      atomic.Bool  // the one place for a connection
	asking     atomic.Bool  // the fence is being asked
	distrusted atomic.Bool  // a connection ended because the two do not trust each other
	lenient    atomic.Int64 // how many more updates than Config.MaxUnacked are announced: see drop
	tasks      sync.WaitGroup
	stopped    chan struct{}
	submitted  submissions

	connects   newest
	complaints complaints
	ackWaits   ackWaits

	// Of the loop alone.
	machine *Machine
	link    *link
	all     collector // what one round of Steps comes to
	items   []item    // of one round
	granted []item
	retry   time.Time // no deadline is kept before: the ledger could not be written
}

// item is an Event on its way to the loop, with the link it came by or the call that waits for it.
type item struct {
	event Event
	link  *link
	done  chan error
	then  func(error) // is called instead of done
}

// tell says what became of the event to whoever asked for it.
func (it item) tell(err error) {
	switch {
	case it.then != nil:
		it.then(err)
	case it.done != nil:
		it.done <- err
	}
}

// NewEndpoint returns an Endpoint over the Book, to which the pools of cfg must have been made observers. It returns
// the error of cfg.Validate, and of the Transport's Validate if it has one.
func NewEndpoint(cfg Config, book *lease.Book, o Options) (*Endpoint, error) {
	if cfg.SafePeriod > 0 && o.Fence == nil {
		return nil, fmt.Errorf("failover: Config.SafePeriod is %v: it needs Options.Fence, to know that the peer is down", cfg.SafePeriod)
	}
	if v, ok := o.Transport.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return nil, err
		}
	}
	peer, _ := book.Peer(cfg.Name)
	m, err := NewMachine(cfg, book, book.All(), peer)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		cfg: cfg.withDefaults(), transport: o.Transport, log: o.Logger, book: book, machine: m,
		clock: o.Clock, fence: o.Fence, conflict: o.Conflict, differ: o.Difference, patience: newPatience(),
		inbox: make(chan item, maxInbox), calls: make(chan item, maxInbox), stopped: make(chan struct{}),
		submitted: submissions{wake: make(chan struct{}, 1)},
	}
	if e.log == nil {
		e.log = zap.NewNop()
	}
	if e.transport == nil {
		e.transport = TCP{Local: e.cfg.Local, Partner: e.cfg.Partner}
	}
	e.publish()
	return e, nil
}

// now is the time of day as this server has it.
func (e *Endpoint) now() time.Time {
	if e.clock == nil {
		return time.Now()
	}
	return e.clock()
}

// Run starts in STARTUP and works until ctx is done; then it tells the partner that it leaves, closes the connection
// and returns nil. Any error is a fault of this program. Run may be called once.
func (e *Endpoint) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		close(e.stopped)
		for _, it := range append(e.submitted.end(), drain(e.calls, nil, maxInbox)...) {
			it.tell(ErrStopped)
		}
		e.tasks.Wait()
	}()
	e.process(ctx, []item{{event: Started{}}})
	e.tasks.Go(func() { e.accept(ctx) })
	e.tasks.Go(func() { e.dial(ctx) })
	for {
		items := e.next(ctx)
		if ctx.Err() != nil {
			e.leave(items)
			return nil
		}
		e.process(ctx, items)
		clear(items)
		e.items = items
	}
}

// process decides on the items, saves, and then does what was decided: effects in their order.
func (e *Endpoint) process(ctx context.Context, items []item) {
	now := e.now()
	all, granted := &e.all, e.granted[:0]
	all.reset()
	for _, it := range items {
		if it.link != nil && all.Close != nil || !e.admit(it) {
			continue // of a connection that is gone, or is about to be dropped below
		}
		refused := e.machine.step(now, it.event, all)
		if _, ok := it.event.(Disconnected); ok {
			all.Send = nil // what it was meant for is gone
		}
		switch {
		case it.done == nil && it.then == nil:
		case refused != nil:
			it.tell(refused)
		default:
			granted = append(granted, it)
		}
	}
	err := e.save(ctx, all.Save)
	e.machine.Settle(err)
	e.publish()
	if err != nil {
		for _, it := range granted {
			it.tell(fmt.Errorf("failover: not committed: %w", err))
		}
		e.retry = now.Add(retryTime)
		e.log.Error("failover peer " + e.cfg.Name + ": commit failed, nothing is promised: " + err.Error())
		e.drop(ctx, err)
		return
	}
	for _, n := range all.Notes {
		e.log.Log(zapcore.Level(n.Level)-1, n.Text)
	}
	for _, c := range all.Conflicts {
		if e.conflict != nil {
			e.conflict(c)
		}
	}
	if e.differ != nil && len(all.Differences) > 0 {
		e.differ(all.Differences)
	}
	if e.link != nil {
		if err := e.link.send(all.Send); err != nil {
			all.Close = err
		}
	}
	for _, it := range granted {
		it.tell(nil)
	}
	clear(granted)
	e.granted = granted
	e.ackWaits.saved(all.Save.Changes)
	if all.Fence {
		e.tasks.Go(func() { e.askFence(ctx) })
	}
	if all.Close != nil {
		e.drop(ctx, all.Close) // which is a round of its own
	}
}

// askFence asks whether the partner is down for sure, and gives the order if it is.
func (e *Endpoint) askFence(ctx context.Context) {
	if !e.asking.CompareAndSwap(false, true) {
		return
	}
	defer e.asking.Store(false)
	err := e.fence(ctx)
	if err == nil {
		err = e.Order(ctx, Order{Kind: OrderPartnerDown, Cause: "the fence says that the peer is down"})
	}
	if err != nil && ctx.Err() == nil {
		e.log.Warn("failover peer " + e.cfg.Name + ": not partner-down: " + err.Error())
	}
}

// Order gives an order and waits until it is carried out, and durable, as far as it can be at once: a shutdown goes on
// until the partner knows all. It returns ErrOrder if the order makes no sense or is dangerous now, ErrStopped, the
// error of ctx, or that of the ledger.
func (e *Endpoint) Order(ctx context.Context, o Order) error { return e.ask(ctx, o) }

func (e *Endpoint) save(ctx context.Context, b lease.Batch) error {
	if b.Empty() {
		return nil
	}
	// What was decided is written, though the server may be stopping.
	return e.book.Apply(context.WithoutCancel(ctx), b)
}

// admit reports whether an item is of the connection in use, makes a new connection that, and unmakes it at its end.
func (e *Endpoint) admit(it item) bool {
	if it.link == nil {
		return true
	}
	if _, ok := it.event.(Connected); ok {
		e.link = it.link
	}
	if it.link != e.link {
		return false
	}
	if gone, ok := it.event.(Disconnected); ok {
		e.distrust(gone.Cause)
		e.unlink()
	}
	return true
}

// unlink closes the connection in use and makes room for another.
func (e *Endpoint) unlink() {
	if e.link != nil {
		e.link.close()
		e.link = nil
		e.release()
	}
}

// drop gives the connection up, and tells the Machine.
func (e *Endpoint) drop(ctx context.Context, cause error) {
	if e.link == nil {
		return
	}
	if hopeless(cause) {
		e.distrusted.Store(true)
	}
	if errors.Is(cause, errNoUpdates) && e.lenient.Load() < maxUnacked/2 {
		// An ISC dhcpd whose updates were in flight when a connection was lost counts them for ever, and sends nothing
		// when they fill the window. A larger one lets it go on.
		e.lenient.Add(int64(e.cfg.MaxUnacked))
	}
	e.unlink()
	e.process(ctx, []item{{event: Disconnected{cause}}})
}

// leave ends the connection and answers whoever waits.
func (e *Endpoint) leave(items []item) {
	for _, it := range items {
		it.tell(ErrStopped)
	}
	if e.link != nil {
		e.bye(RejectUnknown, "server is stopping")
		e.unlink()
	}
}

// bye sends the last message of the connection in use.
func (e *Endpoint) bye(r RejectReason, text string) {
	f := &Frame{Time: e.now(), XID: e.machine.xid + 1, Body: &Disconnect{Reason: r, Text: text}}
	if err := e.link.send([]*Frame{f}); err != nil {
		e.log.Debug("failover peer " + e.cfg.Name + ": " + err.Error())
	}
}

// distrust says so, to the partner and to people (draft 11.1), if the connection ends because of a message that could
// not be proven to be the partner's.
func (e *Endpoint) distrust(cause error) {
	if r, ok := digestReason(cause); ok {
		e.distrusted.Store(true)
		e.log.Error("failover peer " + e.cfg.Name + ": a message is not the peer's: " + cause.Error())
		e.bye(r, cause.Error())
	}
}

// publish shows what the Machine is now to those who answer clients.
func (e *Endpoint) publish() {
	if s, was := e.machine.Status(), e.status.Load(); was == nil || *was != s {
		e.status.Store(&s)
	}
}

// post brings an item to the loop. It waits for room.
func (e *Endpoint) post(ctx context.Context, to chan<- item, it item) error {
	select {
	case to <- it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stopped:
		return ErrStopped
	}
}

// Commit makes a change that a client caused, durable here and queued for the partner, and returns only then: see
// Changed for what it may be. It returns lease.ErrConflict if c.Old is not on record any more or c.New.Expiry is later
// than Limit allows now, one of the reasons of Limit if the state of this server does not allow it any more,
// ErrStopped, the error of ctx, or that of the ledger: then nothing may be told to the client.
//
// With Config.AckWait it may leave a later end on record than c.New.Expiry, at most c.New.SentPotentialExpiry: see there.
func (e *Endpoint) Commit(ctx context.Context, c lease.Change) error {
	if e.short(c) {
		return e.commitAndWait(ctx, c)
	}
	return e.ask(ctx, Changed{c})
}

// ask brings an event to the loop and waits until what it caused is durable.
func (e *Endpoint) ask(ctx context.Context, ev Event) error {
	done := make(chan error, 1)
	if err := e.post(ctx, e.calls, item{event: ev, done: done}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stopped:
		return ErrStopped
	}
}

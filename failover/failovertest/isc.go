package failovertest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Figures of ISC dhcpd 4.4.
const (
	iscStartup  = 15 * time.Second
	iscAckDelay = 2 * time.Second
	iscBalance  = 10 * time.Minute
	iscSlack    = 65 * time.Second
)

// ISC says which server of a world behaves as ISC dhcpd does. With such a partner less can be asked, as it takes any lease
// of the partner's for its own and waits for nothing: I1, I5, I6 and I8 are not, and the faults are those that leave both
// servers their ledgers. What is asked is that it survives what Tandem says (I11), and that the two find each other and
// agree (I9).
type ISC uint8

// Which server is one.
const (
	ISCNone ISC = iota
	ISCPrimary
	ISCSecondary
)

func (i ISC) is(r failover.Role) bool {
	return i == ISCPrimary && r == failover.Primary || i == ISCSecondary && r == failover.Secondary
}

// iscFaults are the kinds that are tried with an ISC dhcpd.
const iscFaults = LinkCut | LinkOneWay | LinkReset | LinkSlow | Crash | SaveError | SaveSlow | LANLoss | Partition | SwitchSplit |
	Blackout | PartnerDown | LateStart

// isc is a partner that behaves as ISC dhcpd 4.4 does, its faults included: it takes the partner's word in most things,
// acknowledges late and in heaps, judges by the end of a lease, goes PARTNER-DOWN when it hears RECOVER, counts for ever what
// was in flight when the connection broke in most states, and ends or wedges itself on messages that it does not expect.
// Tandem must never send one of those. It has no Unacked of its own: what is not acknowledged is what it would tell again.
type isc struct {
	cfg  failover.Config
	book *lease.Book
	pool *pool.Pool
	dies func(why string) // the process ends, or is wedged for good

	peer     lease.Peer
	settled  lease.Peer
	begun    bool
	startup  time.Time
	session  *failover.Session
	heard    bool
	xid      uint32
	sentAt   time.Time
	heardAt  time.Time
	waitAt   time.Time // end of RECOVER-WAIT
	evenAt   time.Time
	queue    []netip.Addr
	flying   map[netip.Addr]uint32 // in flight; those that leaked have an xid of before
	acks     []*failover.Frame
	ackAt    time.Time
	answer   uint32     // xid of the request for updates that is answered; 0: none
	last     netip.Addr // with whose acknowledgement UPDDONE goes
	asked    bool
	staged   map[netip.Addr]lease.Lease
	out      failover.Effects
	outIndex map[netip.Addr]int
}

var errISC = errors.New("ISC dhcpd knows no such order")

func newISC(cfg failover.Config, book *lease.Book, peer lease.Peer, dies func(string)) *isc {
	peer.Name = cfg.Name
	return &isc{
		cfg: cfg, book: book, pool: cfg.Pools[0], dies: dies, peer: peer, settled: peer,
		flying: make(map[netip.Addr]uint32), staged: make(map[netip.Addr]lease.Lease),
	}
}

func (d *isc) stored() failover.State  { return failover.State(d.peer.State) }
func (d *isc) partner() failover.State { return failover.State(d.peer.Partner) }
func (d *isc) primary() bool           { return d.cfg.Role == failover.Primary }

func (d *isc) mclt() time.Duration {
	if d.primary() {
		return d.cfg.MCLT
	}
	return d.peer.MCLT
}

func (d *isc) own() lease.Status {
	if d.primary() {
		return lease.Free
	}
	return lease.Backup
}

func (d *isc) theirs() lease.Status {
	if d.primary() {
		return lease.Backup
	}
	return lease.Free
}

// State implements brain.
func (d *isc) State() failover.State {
	if !d.begun || !d.startup.IsZero() {
		return failover.Startup
	}
	return d.stored()
}

// Status implements brain.
func (d *isc) Status() failover.Status {
	n := len(d.flying)
	for _, a := range d.queue {
		if _, ok := d.flying[a]; !ok {
			n++
		}
	}
	return failover.Status{
		Name: d.cfg.Name, Role: d.cfg.Role, State: d.State(), Since: d.peer.Since, Partner: d.partner(),
		MCLT: d.mclt(), Connected: d.session != nil, Unacked: n,
	}
}

// Settle implements brain. A lease file that cannot be written keeps ISC in its state.
func (d *isc) Settle(err error) {
	if err != nil && d.settled.State != 0 {
		d.peer = d.settled
	}
	d.settled = d.peer
	clear(d.staged)
}

// Deadline implements brain.
func (d *isc) Deadline() (time.Time, bool) {
	at := d.startup
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if d.stored() == failover.RecoverWait {
		sooner(d.waitAt)
	}
	if d.session != nil {
		sooner(d.sentAt.Add(d.session.ReceiveTimer / 3))
		sooner(d.heardAt.Add(d.cfg.ReceiveTimer))
		sooner(d.ackAt)
		if d.State() == failover.Normal {
			sooner(d.evenAt)
		}
	}
	if t, ok := d.pool.NextExpiry(); ok && d.expires() {
		sooner(t)
	}
	return at, !at.IsZero()
}

func (d *isc) expires() bool {
	return d.startup.IsZero() && (d.primary() || d.stored() != failover.Normal)
}

// Step implements brain.
func (d *isc) Step(now time.Time, ev failover.Event) failover.Effects {
	now = lease.Second(now)
	d.out, d.outIndex = failover.Effects{}, make(map[netip.Addr]int)
	switch ev := ev.(type) {
	case failover.Started:
		d.begun = true
		if d.stored() == 0 {
			d.become(now, failover.Recover)
		}
		d.startup = now.Add(iscStartup)
	case failover.Connected:
		d.session, d.heard, d.xid, d.asked = &ev.Session, false, 0, false
		d.sentAt, d.heardAt, d.acks, d.ackAt, d.answer = now, now, nil, time.Time{}, 0
		if !d.primary() {
			d.peer.MCLT = ev.Session.MCLT
			d.save()
		}
		if d.session.ReceiveTimer < 3*time.Second || d.session.MaxUnacked <= 0 {
			d.dies("a receive timer below three seconds, or a window of nothing")
		}
		d.report(now)
	case failover.Disconnected:
		d.lost(now)
	case failover.Received:
		d.received(now, ev.Frame)
	case failover.Tick:
		d.tick(now)
	case failover.Changed:
		d.changed(now, ev.Change)
	case failover.Order:
		if ev.Kind != failover.OrderPartnerDown {
			d.out.Refused = errISC
			break
		}
		d.become(now, failover.PartnerDown)
	}
	d.pump(now)
	return d.out
}

func (d *isc) save() { d.out.Save.Peers = []lease.Peer{d.peer} }

func (d *isc) send(now time.Time, b failover.Body) uint32 {
	if d.session == nil {
		return 0
	}
	d.xid++
	d.sentAt = now
	d.out.Send = append(d.out.Send, &failover.Frame{Time: now, XID: d.xid, Body: b})
	return d.xid
}

func (d *isc) reply(now time.Time, xid uint32, b failover.Body) {
	d.sentAt = now
	d.out.Send = append(d.out.Send, &failover.Frame{Time: now, XID: xid, Body: b})
}

func (d *isc) report(now time.Time) {
	d.send(now, &failover.StateReport{State: d.stored(), Startup: d.State() == failover.Startup, Since: d.peer.Since})
}

func (d *isc) get(a netip.Addr) lease.Lease {
	if l, ok := d.staged[a]; ok {
		return l
	}
	return d.book.Get(a)
}

// set changes a lease, and tells the partner if it is to be told.
func (d *isc) set(l lease.Lease, tell bool) {
	old := d.get(l.Addr)
	l.Unacked = tell
	if l != old {
		if i, ok := d.outIndex[l.Addr]; ok {
			d.out.Save.Changes[i].New = l
		} else {
			d.outIndex[l.Addr] = len(d.out.Save.Changes)
			d.out.Save.Changes = append(d.out.Save.Changes, lease.Change{Old: old, New: l})
		}
		d.staged[l.Addr] = l
	}
	if tell {
		d.enqueue(l.Addr)
	}
}

func (d *isc) enqueue(a netip.Addr) {
	if !slices.Contains(d.queue, a) {
		d.queue = append(d.queue, a)
	}
}

// become changes the state. What is in flight goes back only where ISC remembers to.
func (d *isc) become(now time.Time, to failover.State) {
	from := d.stored()
	if !d.startup.IsZero() {
		d.startup = time.Time{}
	}
	if from != to && (from == failover.Normal || from == failover.PotentialConflict || from == failover.PartnerDown) {
		d.requeue()
	}
	if from != to {
		d.peer.State, d.peer.Since = uint8(to), now
	}
	d.save()
	d.asked = false
	d.report(now)
	switch to {
	case failover.Normal:
		d.even(now)
		for a := range d.pool.Addrs() {
			if d.get(a).Unacked {
				d.enqueue(a)
			}
		}
	case failover.PotentialConflict:
		if d.primary() {
			d.ask(now, false)
		}
	case failover.Recover:
		d.ask(now, true)
	}
}

func (d *isc) requeue() {
	back := slices.SortedFunc(maps.Keys(d.flying), netip.Addr.Compare)
	clear(d.flying)
	d.queue = append(back, slices.DeleteFunc(d.queue, func(a netip.Addr) bool { return slices.Contains(back, a) })...)
}

func (d *isc) ask(now time.Time, all bool) {
	if d.session == nil || !d.heard {
		return
	}
	if all {
		d.send(now, &failover.UpdateRequestAll{})
	} else {
		d.send(now, &failover.UpdateRequest{})
	}
}

// lost is the end of the connection.
func (d *isc) lost(now time.Time) {
	if d.session == nil {
		return
	}
	d.session, d.heard, d.acks, d.ackAt, d.answer = nil, false, nil, time.Time{}, 0
	switch {
	case !d.startup.IsZero():
	case d.stored() == failover.Normal:
		d.requeue()
		d.become(now, failover.CommunicationsInterrupted)
	case d.stored() == failover.PotentialConflict:
		d.requeue()
		d.become(now, failover.ResolutionInterrupted)
	case d.stored() == failover.ConflictDone:
		d.requeue()
	}
}

func (d *isc) tick(now time.Time) {
	if !d.startup.IsZero() && !now.Before(d.startup) {
		to := d.stored()
		switch to {
		case failover.Normal:
			to = failover.CommunicationsInterrupted
		case failover.PotentialConflict:
			to = failover.ResolutionInterrupted
		}
		d.become(now, to)
	}
	if d.stored() == failover.RecoverWait && d.startup.IsZero() && !now.Before(d.waitAt) {
		d.become(now, failover.RecoverDone)
		d.meet(now)
	}
	if d.session != nil {
		switch {
		case !now.Before(d.heardAt.Add(d.cfg.ReceiveTimer)):
			d.out.Close = errors.New("timeout waiting for failover peer")
			d.heardAt = now
			return
		case !now.Before(d.sentAt.Add(d.session.ReceiveTimer / 3)):
			d.send(now, &failover.Contact{})
		}
		if !d.ackAt.IsZero() && !now.Before(d.ackAt) {
			d.flush(now)
		}
		if d.State() == failover.Normal && !now.Before(d.evenAt) {
			d.even(now)
			if c := d.pool.Counts(); d.cfg.Balance.Give(c.Free, c.Backup, d.primary()).Short() {
				d.send(now, &failover.PoolRequest{})
			}
		}
	}
	if d.expires() {
		for _, l := range d.pool.AppendDue(nil, now, 256) {
			if l = d.get(l.Addr); !l.Expiry.After(now) {
				d.end(now, l)
			}
		}
	}
}

// end is the end of a lease, or of an abandoned address.
func (d *isc) end(now time.Time, l lease.Lease) {
	switch {
	case l.Status == lease.Abandoned:
		l.Status, l.SentPotentialExpiry = lease.Free, now
	case l.Status != lease.Active:
		return
	case d.stored() == failover.CommunicationsInterrupted && l.Rewind == d.own():
		l.Status, l.Rewind, l.SentPotentialExpiry = l.Rewind, 0, now
	case d.stored() == failover.PartnerDown && now.After(d.peer.Since.Add(d.mclt())):
		l.Status, l.SentPotentialExpiry, l.Rewind = lease.Free, now, 0
	default:
		l.Status = lease.Expired
	}
	l.AckedPotentialExpiry = time.Time{}
	d.set(l, true)
}

// pump sends what waits.
func (d *isc) pump(now time.Time) {
	if d.session == nil || !d.heard || d.out.Close != nil || d.State() != failover.Normal && d.answer == 0 {
		return
	}
	for len(d.queue) > 0 && len(d.flying) < d.session.MaxUnacked {
		a := d.queue[0]
		d.queue = d.queue[1:]
		if _, ok := d.flying[a]; ok {
			continue
		}
		d.flush(now)
		l := d.get(a)
		if l.Rewind != 0 {
			l.Rewind = 0
			d.set(l, false)
			l.Unacked = true
			d.set(l, true)
			d.queue = slices.DeleteFunc(d.queue, func(b netip.Addr) bool { return a == b })
		}
		b := failover.Binding{
			Addr: a, Status: l.Status, Client: l.Client, Flags: l.Flags,
			Expiry: l.Expiry, PotentialExpiry: l.SentPotentialExpiry, Since: l.Since, LastTransaction: l.LastTransaction,
		}
		d.flying[a] = d.send(now, &failover.BindingUpdate{Bindings: []failover.Binding{b}})
	}
	d.done(now)
}

// done sends UPDDONE when the last of what was asked for has been answered.
func (d *isc) done(now time.Time) {
	if d.answer == 0 {
		return
	}
	if _, ok := d.flying[d.last]; d.last.IsValid() && (ok || slices.Contains(d.queue, d.last)) {
		return
	}
	d.reply(now, d.answer, &failover.UpdateDone{})
	d.answer = 0
}

func (d *isc) flush(now time.Time) {
	for _, f := range d.acks {
		d.reply(now, f.XID, f.Body)
	}
	d.acks, d.ackAt = nil, time.Time{}
}

// even gives the partner what this server has too much of.
func (d *isc) even(now time.Time) (n int) {
	var hba pool.HBA
	if d.primary() {
		hba = *d.cfg.HBA
	} else if d.session != nil {
		hba = d.session.HBA
	}
	for _, l := range d.pool.Surplus(d.cfg.Balance, d.primary(), hba.WantedByPartner(d.primary())) {
		if d.get(l.Addr) != l {
			continue
		}
		l.Status, l.Since, l.SentPotentialExpiry, l.AckedPotentialExpiry = d.theirs(), now, now, time.Time{}
		d.set(l, true)
		n++
	}
	d.evenAt = now.Add(iscBalance)
	return n
}

func (d *isc) String() string { return fmt.Sprintf("%v, partner %v", d.State(), d.partner()) }

//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The figures of the swap. Leases are short, so that each of the clients is renewed after each step, and most meet a
// server that is gone.
const (
	swapResidents = 100
	swapVisitors  = 10
	swapPool      = 130              // addresses: few enough that one which is free is soon given to somebody
	swapArrival   = 3 * time.Second  // of all the clients
	swapDelay     = 10 * time.Second // max-response-delay
	swapMCLT      = 12 * time.Second
	swapLease     = 14 * time.Second
	swapNormal    = 15 * time.Second // how soon both are normal again: ISC dials every 5 seconds
	swapAgree     = 8 * time.Second  // how soon what one server did is in the other's lease file
	swapOutlasted = 10               // leases that the partner alone knows not to have run out, before a server is replaced
	swapSettled   = 2 * time.Second  // how soon after that both know of every lease
	swapRenewed   = 2 * swapLease    // how soon each client has been renewed by whoever serves now
)

// A pair of ISC dhcpd serves a crowd. One node at a time, Tandem takes its place, on its dhcpd.conf and dhcpd.leases; and
// when both are Tandem, ISC comes back in the same way, and reads what Tandem wrote. No client is NAKed, loses its
// address, or waits for longer than max-response-delay and its own pause between two messages. With the secondary first,
// Tandem is the partner of ISC in either role.
func TestSwap(t *testing.T) {
	swapBothWays(t, nodeSecondary, nodePrimary)
}

// The same with the primary first: then each program meets the other at the moment when it becomes primary, and has to
// expire what others have renewed meanwhile.
func TestSwapPrimaryFirst(t *testing.T) {
	swapBothWays(t, nodePrimary, nodeSecondary)
}

func swapBothWays(t *testing.T, order ...string) {
	long(t)
	t.Parallel()
	isc := swapISC(t)
	tandem := swapKind{"Tandem", program(t, "")}
	s := newSwap(t, isc)
	for _, to := range []swapKind{tandem, isc} {
		s.decline()
		for _, node := range order {
			s.swap(s.byNode(node), to)
		}
	}
	s.finish()
	s.summary()
	s.lab.checkCaptures(t)
}

// A swap is the test under way.
type swap struct {
	t                  *testing.T
	lab                *lab
	primary, secondary *swapNode
	crowd              *swapCrowd
	began              time.Time
	leave              context.CancelFunc // ends the crowd
	ticked             chan struct{}      // closed after the last line of the timeline
	declined           []netip.Addr
	report             []string // lines of the summary
}

// newSwap starts the pair and the crowd, and waits until every client has an address.
func newSwap(t *testing.T, isc swapKind) *swap {
	t.Helper()
	s := &swap{t: t, lab: newLab(t, 1), began: time.Now(), ticked: make(chan struct{})}
	s.primary, s.secondary = s.node(nodePrimary), s.node(nodeSecondary)
	seed := uint64(s.began.UnixNano())
	s.crowd = s.lab.probe("c1").swapCrowd(swapResidents, swapVisitors, swapDelay, seed)
	s.say("%d clients that stay, %d that come and go, leases of %v, mclt %v, max-response-delay %v, seed %d",
		swapResidents, swapVisitors, swapLease, swapMCLT, swapDelay, seed)
	var ctx context.Context
	ctx, s.leave = context.WithCancel(t.Context())
	t.Cleanup(func() { s.leave(); s.crowd.done.Wait() }) // before the lab is taken down
	ticking, stop := context.WithCancel(t.Context())
	t.Cleanup(func() { stop(); <-s.ticked })
	go s.timeline(ticking)

	s.primary.start(isc)
	s.primary.serving(t)
	s.secondary.start(isc)
	s.bothNormal()
	s.crowd.start(ctx, swapArrival)
	s.everybodyRenewed()
	s.note("the pair of %s has %d clients", isc.name, swapResidents)
	return s
}

// swap stops a node and starts another program in its place, and looks at what comes of it.
func (s *swap) swap(n *swapNode, to swapKind) {
	s.t.Helper()
	from, began := n.kind, time.Now()
	s.say("stop %s of %s", from.name, n.node)
	n.stop(s.t)
	before := n.keep("left-by-" + from.name)
	s.outlast(before)
	n.start(to)
	n.serving(s.t)
	gone := time.Since(began)
	after := n.keep("taken-by-" + to.name)
	if err := s.kept(before, after); err != nil {
		s.t.Errorf("%s of %s on the lease file of %s: %v", to.name, n.node, from.name, err)
	}
	s.say("%s runs on %s", to.name, n.node)
	s.bothNormal()
	normal := time.Since(began)
	s.say("both are normal")
	if !s.onlyISC() {
		eventually(s.t, swapSettled, s.standing)
	}
	s.everybodyRenewed()
	s.agree(func(f, g *leaseFile) error { return errors.Join(swapSameClients(f, g), s.abandoned(f, g)) })
	s.note("%s: %s in place of %s; away for %.1f s, normal after %.1f s", n.node, to.name, from.name, gone.Seconds(), normal.Seconds())
}

// outlast waits until some leases have run out that a server which is gone had on record, though the clients have them:
// the other has renewed them. Whoever reads that record next must not believe it.
func (s *swap) outlast(left *leaseFile) {
	s.t.Helper()
	eventually(s.t, swapRenewed, func() error {
		n, now := 0, time.Now()
		for _, c := range s.crowd.residents() {
			home, has := s.crowd.holds(c)
			if r := left.record(home); has && r.state == "active" && r.ends.Before(now) {
				n++
			}
		}
		if n < swapOutlasted {
			return fmt.Errorf("the partner has kept alive %d leases that have run out on record, want %d", n, swapOutlasted)
		}
		return nil
	})
}

// decline makes a client of its own take an address and decline it, and waits until both servers have abandoned it.
func (s *swap) decline() {
	s.t.Helper()
	c := s.crowd.probe.player(macs(1, 60000+len(s.declined), "")[0])
	_, err := c.acquire(within(s.t, swapLease))
	addr := c.addr
	if err == nil {
		err = c.decline()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.declined = append(s.declined, addr)
	s.say("a client of its own has declined %v", addr)
	s.agree(s.abandoned)
}

// abandoned returns an error unless two lease files have each address as abandoned that was declined.
func (s *swap) abandoned(f, g *leaseFile) error {
	for _, a := range s.declined {
		if x, y := f.record(a), g.record(a); x.state != "abandoned" || y.state != "abandoned" {
			return fmt.Errorf("%v was declined, and is %s and %s", a, x.state, y.state)
		}
	}
	return nil
}

// bothNormal waits until both servers are normal by their logs and by their lease files.
func (s *swap) bothNormal() {
	s.t.Helper()
	for _, n := range s.nodes() {
		n.waitState(s.t, swapNormal, "normal")
	}
	eventually(s.t, swapNormal, func() error {
		for _, n := range s.nodes() {
			if p := n.leases(s.t).peers["swap"]; p != (peerRecord{"normal", "normal"}) {
				return fmt.Errorf("the lease file of %s has %+v, want both normal", n.node, p)
			}
		}
		return nil
	})
}

// everybodyRenewed waits until each client that stays was served by the pair as it is now, and each server has served.
func (s *swap) everybodyRenewed() {
	s.t.Helper()
	began := time.Now()
	before := s.crowd.count(began, false)
	eventually(s.t, swapRenewed, func() error {
		if !s.onlyISC() {
			if err := s.standing(); err != nil {
				s.t.Fatal(err)
			}
		}
		n := s.crowd.count(time.Now(), false)
		if n.bound < n.residents || n.renewed.Before(began) {
			return fmt.Errorf("%d of %d clients have an address; not each of them has been renewed for %v", n.bound, n.residents, time.Since(n.renewed))
		}
		for _, node := range s.nodes() {
			if n.acks[node.node] == before.acks[node.node] {
				return fmt.Errorf("%s has not renewed anybody for %v", node.node, time.Since(began))
			}
		}
		return nil
	})
}

// standing returns an error unless both lease files have each promise to a client that stays as a lease of that client.
// A file may not know yet that it was renewed, but no server may take it for anything else as long as the client has it.
func (s *swap) standing() error {
	promises := s.lab.told.promises()
	f, g := s.primary.leases(s.t), s.secondary.leases(s.t)
	var errs []error
	for _, c := range s.crowd.residents() {
		p, ok := promises[c.player]
		if !ok || !p.end.After(time.Now().Add(time.Second)) {
			continue
		}
		if x, y := f.record(p.addr), g.record(p.addr); x.state != "active" || y.state != "active" || x.hw != p.mac || y.hw != p.mac {
			errs = append(errs, fmt.Errorf("%s may use %v until %v, but the primary has it as %s of %q and the secondary as %s of %q",
				p.mac, p.addr, p.end.Format(time.TimeOnly), x.state, x.hw, y.state, y.hw))
		}
	}
	return errors.Join(errs...)
}

// onlyISC reports whether two ISC are at work, of which less can be asked: a primary that starts takes for expired what
// its own file says has run out, and tells the secondary, which believes it if the lease that it has renewed meanwhile
// ends within 65 seconds. The next renewal by broadcast mends that.
func (s *swap) onlyISC() bool {
	return s.primary.kind.name == "ISC" && s.secondary.kind.name == "ISC"
}

// agree waits until the two lease files are the same in what matters.
func (s *swap) agree(differ func(f, g *leaseFile) error) {
	s.t.Helper()
	eventually(s.t, swapAgree, func() error { return differ(s.primary.leases(s.t), s.secondary.leases(s.t)) })
}

// finish renews everybody once more, sends the crowd away, and looks whether both servers know all.
func (s *swap) finish() {
	s.t.Helper()
	s.leave()
	s.crowd.done.Wait()
	s.say("everybody renews once more")
	ctx := within(s.t, swapLease)
	for _, c := range s.crowd.clients {
		if c.bound {
			s.crowd.done.Go(func() { c.renew(ctx) })
		}
	}
	s.crowd.done.Wait()
	s.agree(func(f, g *leaseFile) error {
		errs := []error{differ(f, g), s.abandoned(f, g)}
		for _, p := range s.lab.told.promises() {
			if p.end.After(time.Now()) {
				errs = append(errs, p.onRecord(f), p.onRecord(g))
			}
		}
		return errors.Join(errs...)
	})
	s.say("both lease files agree, and know of every promise")
	if err := s.crowd.err(); err != nil {
		s.t.Error(err)
	}
	s.lab.told.checkNoNak(s.t)
	for _, n := range s.nodes() {
		if !n.proc.running() {
			s.t.Errorf("%s of %s has ended", n.kind.name, n.node)
		}
		n.checkLog(s.t)
	}
}

func (s *swap) nodes() []*swapNode { return []*swapNode{s.primary, s.secondary} }

func (s *swap) byNode(node string) *swapNode {
	if node == nodePrimary {
		return s.primary
	}
	return s.secondary
}

// say writes a line of the timeline.
func (s *swap) say(format string, args ...any) {
	fmt.Fprintf(s.t.Output(), "%5.1f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// timeline writes a line each second.
func (s *swap) timeline(ctx context.Context) {
	defer close(s.ticked)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := s.crowd.count(time.Now(), false)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			n := s.crowd.count(now, false)
			s.say("%-52s  %3d of %d bound, %2d guests  ACKs %+3d %+3d  %2d wait %4.1f s  NAKs %d  lost %d",
				s.primary.String()+"   "+s.secondary.String(), n.bound, n.residents, n.guests,
				n.acks[nodePrimary]-last.acks[nodePrimary], n.acks[nodeSecondary]-last.acks[nodeSecondary],
				n.waiting, n.longest.Seconds(), n.naks, n.lost)
			last = n
		}
	}
}

// note takes a line into the summary, with the longest wait since the last one.
func (s *swap) note(format string, args ...any) {
	n := s.crowd.count(time.Now(), true)
	line := fmt.Sprintf("%-62s ACKs %4d %4d", fmt.Sprintf(format, args...), n.acks[nodePrimary], n.acks[nodeSecondary])
	if w := n.worst; w.client != nil {
		line += fmt.Sprintf("   longest wait %.1f s (%s, own pause %.1f s)", w.took.Seconds(), w.what, w.pause.Seconds())
	}
	s.report = append(s.report, line)
}

// summary writes what has been seen.
func (s *swap) summary() {
	n := s.crowd.count(time.Now(), false)
	s.note("everybody renewed once more")
	s.say("summary\n\n  %s\n\n  %d clients: %d NAKs, %d addresses lost or changed, %d complaints\n", strings.Join(s.report, "\n  "),
		len(s.crowd.clients), n.naks, n.lost, len(s.crowd.faults))
}

// kept returns an error unless a lease file has what another had when its server ended: whatever was declined, and each
// lease of a client that stays, with no earlier end. (The visitors may have changed theirs in between.)
func (s *swap) kept(before, after *leaseFile) error {
	errs := []error{s.abandoned(before, after)}
	now := time.Now()
	for _, c := range s.crowd.residents() {
		home, _ := s.crowd.holds(c)
		x := before.record(home)
		if x.state != "active" || !x.ends.After(now) {
			continue // the partner has renewed it since, and it does not know
		}
		if y := after.record(x.addr); y.state != "active" || x.hw != y.hw || x.uid != y.uid || y.ends.Before(x.ends) {
			errs = append(errs, fmt.Errorf("%v was of %s until %v, and is %s of %s until %v", x.addr, x.hw, x.ends, y.state, y.hw, y.ends))
		}
	}
	return errors.Join(errs...)
}

// swapSameClients returns an error if two lease files, of servers that are at work, have different clients on record.
func swapSameClients(f, g *leaseFile) error {
	var errs []error
	for _, a := range seedPool {
		x, y := f.record(a), g.record(a)
		if x.state == "active" && y.state == "active" && (x.hw != y.hw || x.uid != y.uid) ||
			(x.state == "active") != (y.state == "active") {
			errs = append(errs, fmt.Errorf("%v: %s %s and %s %s", a, x.state, x.hw, y.state, y.hw))
		}
	}
	return errors.Join(errs...)
}

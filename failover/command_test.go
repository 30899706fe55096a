package failover_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// clients are who asks for addresses in scripts. By RFC 3074, with a split of 128, the primary serves a, b, c and d, the
// secondary w, x, y and z; TestScriptClients sees to that.
var clients = map[string]lease.Client{}

// clientNames replaces hardware addresses by names.
var clientNames = func() *strings.Replacer {
	var pairs []string
	for i, name := range []string{"a", "b", "c", "d", "w", "x", "y", "z"} {
		c := lease.Client{HW: lease.MakeHWAddr(1, []byte{2, 0, 0, 0, 0, octets[i]})}
		clients[name] = c
		pairs = append(pairs, c.String(), name)
	}
	return strings.NewReplacer(pairs...)
}()

// octets are the last ones of the clients' hardware addresses, in the order of their names.
var octets = [8]byte{2, 5, 7, 8, 1, 3, 4, 6}

// words are the arguments of a command: those without a = in their order, and the others by name.
type words struct {
	list  []string
	named map[string]string
	errs  []error
}

func parseWords(fields []string, known ...string) *words {
	w := &words{named: make(map[string]string)}
	for _, f := range fields {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			w.list = append(w.list, f)
			continue
		}
		if !slices.Contains(known, name) {
			w.errs = append(w.errs, fmt.Errorf("no argument %q, but %s", name, strings.Join(known, ", ")))
		}
		w.named[name] = value
	}
	return w
}

func (w *words) duration(name string, otherwise time.Duration) time.Duration {
	v, ok := w.named[name]
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	w.errs = append(w.errs, err)
	return d
}

func (w *words) number(name string, otherwise int) int {
	v, ok := w.named[name]
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	w.errs = append(w.errs, err)
	return n
}

// next takes the next word without =.
func (w *words) next() string {
	if len(w.list) == 0 {
		return ""
	}
	f := w.list[0]
	w.list = w.list[1:]
	return f
}

// done returns what was wrong with the words.
func (w *words) done() error {
	if len(w.list) > 0 {
		w.errs = append(w.errs, fmt.Errorf("%q is too much", strings.Join(w.list, " ")))
	}
	return errors.Join(w.errs...)
}

// run carries out one command:
//
//	new addrs=8 mclt=1h split=128 safe-period=0s partner=isc   two servers with empty ledgers
//	normal ...                                                 the same, which have met and are NORMAL, without a word of it
//	start [SERVER]                                             STARTUP, from what the ledger has; both without a name
//	connect skew=0s                                            the primary's CONNECT, its clock being ahead by so much
//	cut                                                        the connection is lost, and both see it
//	kill SERVER, lose SERVER                                   it ends without a word; its ledger is gone as well
//	pass DURATION                                              time goes by
//	grant SERVER CLIENT [ADDRESS] want=12h secs=0              the client asks, for its own lease if it has one
//	release SERVER CLIENT, decline SERVER ADDRESS              it gives its address back; the address is in use
//	order SERVER ORDER [force]                                 an operator's
//	full SERVER, empty SERVER                                  its disk; from now on
//	hold, deliver [SERVER]                                     messages stay on their way; one arrives, or all do
//	say SERVER free|active|.. ADDRESS CLIENT expiry= potential= last=   a BNDUPD that the server never decided on
//	contacts                                                   show CONTACT, too
//	leases                                                     what the two ledgers say
//	quietly COMMAND ..                                         any other, without a word of it
//
// After each one messages are delivered until there are none, unless they are held.
func (s *stage) run(fields []string) error {
	if fields[0] == "quietly" && len(fields) > 1 {
		said := s.out.String()
		err := s.run(fields[1:])
		s.out.Reset()
		s.out.WriteString(said)
		return err
	}
	if s.actors[0] == nil && fields[0] != "new" && fields[0] != "normal" {
		return errors.New("begin with new or normal")
	}
	if err := s.command(fields[0], fields[1:]); err != nil || s.held {
		return err
	}
	return s.settle()
}

func (s *stage) command(name string, args []string) error {
	switch name {
	case "new":
		w := parseWords(args, "addrs", "mclt", "split", "safe-period", "partner")
		addrs, mclt, split := w.number("addrs", 8), w.duration("mclt", time.Hour), w.number("split", 128)
		safe := w.duration("safe-period", 0)
		s.isc = w.named["partner"] == "isc"
		return cmp.Or(w.done(), s.reset(addrs, mclt, safe, split))
	case "normal":
		for _, line := range [][]string{append([]string{"new"}, args...), {"start"}, {"connect"}} {
			if err := s.run(append([]string{"quietly"}, line...)); err != nil {
				return err
			}
		}
		return nil
	case "start":
		return s.each(args, (*actor).start)
	case "connect":
		w := parseWords(args, "skew")
		skew := w.duration("skew", 0)
		return cmp.Or(w.done(), s.connect(skew))
	case "cut":
		s.cut(errors.New("connection lost"))
		return nil
	case "kill", "lose":
		return s.each(args, func(a *actor) error { return a.kill(name == "lose") })
	case "pass":
		if len(args) != 1 {
			return errors.New("want how long")
		}
		d, err := time.ParseDuration(args[0])
		return cmp.Or(err, s.pass(d))
	case "full", "empty":
		return s.each(args, func(a *actor) error { a.full = name == "full"; return nil })
	case "hold":
		s.held = true
		return nil
	case "deliver":
		return s.deliver(args)
	case "contacts":
		s.contacts = true
		return nil
	case "leases":
		return s.leases()
	case "grant", "release", "decline", "order", "say":
		if len(args) == 0 {
			return errors.New("want a server")
		}
		a, err := s.actor(args[0])
		if err != nil {
			return err
		}
		if a.down {
			return fmt.Errorf("%s does not run", a.name)
		}
		return a.command(name, args[1:])
	}
	return errors.New("no such command")
}

// actor returns the server of that name.
func (s *stage) actor(name string) (*actor, error) {
	for _, a := range s.actors {
		if a.name == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%q is neither primary nor secondary", name)
}

// each calls f for the servers that are named, or for both.
func (s *stage) each(names []string, f func(*actor) error) error {
	if len(names) == 0 {
		names = []string{"primary", "secondary"}
	}
	for _, name := range names {
		a, err := s.actor(name)
		if err == nil {
			err = f(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kill ends a server without a word, and maybe its ledger as well.
func (a *actor) kill(ledger bool) error {
	a.down = true
	if ledger {
		a.store = lease.NewMemory()
	}
	a.cut(errors.New("connection reset by peer"))
	return nil
}

// deliver lets one message through to a server, or all to both.
func (s *stage) deliver(args []string) error {
	if len(args) == 0 {
		s.held = false
		return nil
	}
	a, err := s.actor(args[0])
	if err != nil {
		return err
	}
	if len(a.inbox) == 0 {
		return fmt.Errorf("nothing is on its way to the %s", a.name)
	}
	return a.deliver()
}

// command carries out one that is for a server.
func (a *actor) command(name string, args []string) error {
	w := parseWords(args, "want", "secs", "expiry", "potential", "last")
	switch name {
	case "order":
		kind, ok := failover.ParseOrderKind(w.next())
		force := w.next() == "force"
		if !ok || w.done() != nil {
			return errors.New("want an order, and maybe force")
		}
		return a.asked(failover.Order{Kind: kind, Force: force})
	case "decline":
		addr, err := netip.ParseAddr(w.next())
		if err != nil {
			return err
		}
		old := a.book.Get(addr)
		bad := old
		bad.Status, bad.Expiry, bad.LastTransaction = lease.Abandoned, a.now.Add(24*time.Hour), a.now
		return a.asked(failover.Changed{Change: lease.Change{Old: old, New: bad}})
	case "say":
		return a.say(w)
	}
	client, ok := clients[w.next()]
	if !ok {
		return errors.New("no such client")
	}
	if name == "release" {
		l, ok := a.held(client)
		if !ok {
			return errors.New("it holds nothing")
		}
		gone := l
		gone.Status, gone.LastTransaction = lease.Released, a.now
		return a.asked(failover.Changed{Change: lease.Change{Old: l, New: gone}})
	}
	return a.grant(client, w)
}

// asked takes a step that may be refused, which is part of the play.
func (a *actor) asked(ev failover.Event) error {
	if err := a.step(ev); err != nil && !errors.Is(err, errFull) {
		a.line("%s refuses: %v", a.name, err)
	}
	return nil
}

// held returns the client's lease.
func (a *actor) held(c lease.Client) (lease.Lease, bool) {
	for l := range a.book.ByClient(0, c) {
		if l.Status == lease.Active {
			return l, true
		}
	}
	return lease.Lease{}, false
}

// last returns the address that the client had last, if it may be given again.
func (a *actor) last(c lease.Client, mine func(lease.Lease) bool) (lease.Lease, bool) {
	for l := range a.book.ByClient(0, c) {
		if mine(l) {
			return l, true
		}
	}
	return lease.Lease{}, false
}

// grant does what a DHCP server does for a client's request: see dora.Gate.
func (a *actor) grant(c lease.Client, w *words) error {
	want, secs := w.duration("want", 12*time.Hour), uint16(w.number("secs", 0))
	addr := w.next()
	if err := w.done(); err != nil {
		return err
	}
	status := a.machine.Status()
	l, renewal := a.held(c)
	if !renewal {
		if err := status.Serves(a.cfg, []byte(c.STID()), secs); err != nil {
			a.line("%s does not answer %v: %v", a.name, c, err)
			return nil
		}
	}
	if addr != "" {
		wanted, err := netip.ParseAddr(addr)
		if err != nil {
			return err
		}
		l = a.book.Get(wanted)
	} else if !renewal {
		own, partners := lease.Free, lease.Backup
		if a.cfg.Role == failover.Secondary {
			own, partners = partners, own
		}
		mine := func(l lease.Lease) bool { return status.Mine(a.now, l) }
		var ok bool
		l, ok = a.last(c, mine)
		if !ok {
			l, ok = a.cfg.Pools[0].Pick(own, mine)
		}
		if !ok {
			l, ok = a.cfg.Pools[0].Pick(partners, mine)
		}
		if !ok {
			a.line("%s has no address that it may give to %v", a.name, c)
			return nil
		}
	}
	until, err := status.Limit(a.cfg, a.now, l, c, a.now.Add(want))
	if err != nil {
		a.line("%s does not give %v to %v: %v", a.name, l.Addr, c, err)
		return nil
	}
	given := l
	given.Status, given.Client, given.LastTransaction = lease.Active, c, a.now
	given.Expiry, given.SentPotentialExpiry = until, a.now.Add(want)
	if err := a.step(failover.Changed{Change: lease.Change{Old: l, New: given}}); err != nil {
		if !errors.Is(err, errFull) {
			a.line("%s refuses: %v", a.name, err)
		}
		return nil
	}
	a.line("%s tells %v: %v for %s", a.name, c, l.Addr, span(until.Sub(a.now)))
	return nil
}

// say sends a BNDUPD that the Machine did not decide on.
func (a *actor) say(w *words) error {
	status, ok := lease.ParseStatus(w.next())
	addr, err := netip.ParseAddr(w.next())
	if err != nil || !ok {
		return errors.New("want a status and an address")
	}
	b := failover.Binding{
		Addr: addr, Status: status, Client: clients[w.next()], Since: a.now,
		Expiry: a.now.Add(w.duration("expiry", 0)), PotentialExpiry: a.now.Add(w.duration("potential", 0)),
		LastTransaction: a.now.Add(w.duration("last", 0)),
	}
	if err := w.done(); err != nil {
		return err
	}
	return a.send(&failover.Frame{Time: a.now, XID: 1000, Body: &failover.BindingUpdate{Bindings: []failover.Binding{b}}})
}

// leases says what the ledgers have, the addresses that nobody ever touched left out.
func (s *stage) leases() error {
	for _, a := range s.actors {
		if a.book == nil {
			continue
		}
		for l := range a.book.All() {
			words := []string{l.Addr.String(), l.Status.String()}
			if l.Status == lease.Active {
				words = append(words, nobody(l.Client), "until="+offset(s.now, l.Expiry))
			}
			if l.Unacked {
				words = append(words, "unacked")
			}
			s.line("%s has %s", a.name, strings.Join(words, " "))
		}
		c := a.cfg.Pools[0].Counts()
		s.line("%s counts %d free, %d backup, %d active", a.name, c.Free, c.Backup, c.Active)
	}
	return nil
}

func TestScriptClients(t *testing.T) {
	half, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range clients {
		if got, want := half.Primary(pool.Bucket(c.STID())), name < "w"; got != want {
			t.Errorf("client %s is the primary's: %v, want %v", name, got, want)
		}
	}
}

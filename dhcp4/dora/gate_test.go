package dora

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// partnered is a Gate as a failover endpoint is one: FREE addresses are this server's, BACKUP ones the partner's.
type partnered struct {
	*Alone
	answers, serves error
	most            time.Duration                   // MCLT
	before          func(lease.Change) lease.Change // looks at each Commit
	fail            error                           // of Commit
}

func (p *partnered) Answers() error              { return p.answers }
func (p *partnered) Serves([]byte, uint16) error { return p.serves }

func (p *partnered) Mine(_ time.Time, l lease.Lease) bool { return l.Status == lease.Free }

func (p *partnered) Limit(now time.Time, l lease.Lease, c lease.Client, want time.Time) (time.Time, error) {
	switch {
	case l.Status == lease.Active && l.Client.Is(c), l.Status == lease.Free:
	case l.Status.Ending() && l.Client.Is(c) && l.Rewind == lease.Active:
	default:
		return time.Time{}, errors.New("lease owned by peer")
	}
	if p.most > 0 && want.After(now.Add(p.most)) {
		want = now.Add(p.most)
	}
	return want, nil
}

func (p *partnered) Commit(ctx context.Context, c lease.Change) error {
	if p.before != nil {
		c = p.before(c)
	}
	if p.fail != nil {
		return p.fail
	}
	return p.book.Apply(ctx, lease.Batch{Changes: []lease.Change{c}})
}

// pair opens a world whose pool has a partner.
func pair(t testing.TB, first, last string) (*world, *partnered) {
	w := newWorld(t, first, last)
	p := new(partnered)
	w.gate = func(w *world) Gate {
		p.Alone = w.alone
		return p
	}
	return w.open(), p
}

func backup(a string, c lease.Client) lease.Lease {
	return lease.Lease{Addr: addr(a), Status: lease.Backup, Client: c, Since: start}
}

func TestLoadBalance(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	w.put(backup("10.0.10.11", lease.Client{}))
	p.serves = errors.New("failover: load balance to peer ha-dhcp")
	w.expect("the partner's client", msg{kind: dhcpDiscover}, "silence")
	if got, want := w.lines(), "DHCPDISCOVER from 02:00:00:00:00:01 via eth0: load balance to peer ha-dhcp"; !slices.Contains(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	w.expect("a request is never balanced", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"}, "DHCPACK 10.0.10.10 10m0s")

	w, p = pair(t, "10.0.10.10", "10.0.10.11")
	p.serves = errors.New("load balance to peer ha-dhcp")
	w.expect("the partner has nothing to give", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.10 10m0s")
	if got, want := w.lines()[0], "DHCPDISCOVER from 02:00:00:00:00:01 via eth0: cancel load balance to peer ha-dhcp - no free leases"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestShareIsEmpty(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	w.put(backup("10.0.10.10", lease.Client{}), backup("10.0.10.11", msg{}.client()))
	w.expect("discover", msg{kind: dhcpDiscover, wish: "10.0.10.10"}, "silence")
	if got, want := w.lines()[0], "DHCPDISCOVER from 02:00:00:00:00:01 via eth0: peer holds all free leases"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	w.expect("request of a partner's address", msg{kind: dhcpRequest, wish: "10.0.10.11"}, "silence")
	if got, want := w.lines()[0], "DHCPREQUEST for 10.0.10.11 from 02:00:00:00:00:01 via eth0: lease owned by peer"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	p.answers = errGate
	w.expect("discover", msg{kind: dhcpDiscover}, "silence")
	if got, want := w.lines()[0], "DHCPDISCOVER from 02:00:00:00:00:01 via eth0: not responding (startup)"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestSilentState(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	a := w.dora(msg{}).String()
	p.answers = errGate
	for _, m := range []msg{
		{kind: dhcpDiscover},
		{kind: dhcpRequest, wish: a, server: "10.0.10.251"},
		{kind: dhcpRequest, wish: a},
		{kind: dhcpRequest, ciaddr: a},
		{kind: dhcpRequest, ciaddr: a, mac: number(2)},
		{kind: dhcpDecline, wish: a, server: "10.0.10.251"},
		{kind: dhcpRelease, ciaddr: a, server: "10.0.10.251", unicast: true},
	} {
		before := w.book.Get(addr(a))
		w.expect("in a state of silence", m, "silence")
		if got := w.book.Get(addr(a)); got != before {
			t.Errorf("%v changes the lease: %+v", m.kind, got)
		}
	}
}

func TestFirstLeaseIsShort(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	p.most = 60 * time.Second
	var asked lease.Change
	p.before = func(c lease.Change) lease.Change { asked = c; return c }
	w.expect("discover", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.10 1m0s")
	w.expect("request", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"}, "DHCPACK 10.0.10.10 1m0s")
	if got, want := asked.New.SentPotentialExpiry, start.Add(600*time.Second); !got.Equal(want) {
		t.Errorf("the gate is told that the configuration would give until %v, want %v", got, want)
	}
	if !asked.Old.IsVirgin() || asked.New.Expiry != start.Add(60*time.Second) {
		t.Errorf("asked %+v", asked)
	}
}

// The gate may know better at the last moment: what is on record is what the client is told.
func TestGateAllowsLessAtCommit(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	p.before = func(c lease.Change) lease.Change { c.New.Expiry = start.Add(30 * time.Second); return c }
	w.expect("request", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"}, "DHCPACK 10.0.10.10 30s")
}

// The gate may have learnt meanwhile that more is possible, and put it on record.
func TestGateAllowsMoreAtCommit(t *testing.T) {
	for _, tc := range []struct {
		name           string
		recorded, most time.Duration
		want           string
	}{
		{"all of it", 600 * time.Second, 0, "DHCPACK 10.0.10.10 10m0s"},
		{"what is on record", 300 * time.Second, 0, "DHCPACK 10.0.10.10 5m0s"},
		{"more than the configuration gives", 900 * time.Second, 0, "DHCPACK 10.0.10.10 10m0s"},
		{"more than the gate allows", 600 * time.Second, 200 * time.Second, "DHCPACK 10.0.10.10 3m20s"},
		{"on record, and yet not allowed", 600 * time.Second, 60 * time.Second, "DHCPACK 10.0.10.10 1m0s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, p := pair(t, "10.0.10.10", "10.0.10.11")
			p.most = 60 * time.Second
			p.before = func(c lease.Change) lease.Change {
				if !c.New.Expiry.Equal(start.Add(60 * time.Second)) {
					t.Errorf("asked for %v", c.New.Expiry)
				}
				c.New.Expiry, p.most = start.Add(tc.recorded), tc.most
				return c
			}
			w.expect("request", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"}, tc.want)
		})
	}
}

func TestNothingIsToldThatIsNotDurable(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	p.fail = errors.New("disk full")
	reply, err := w.try(msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"})
	if reply != nil || !errors.Is(err, p.fail) {
		t.Errorf("%s, %v", say(reply), err)
	}
	if got := w.server.Stats(); got.Failed != 1 || got.Acks != 0 {
		t.Errorf("%+v", got)
	}
	p.fail = nil
	w.expect("room again", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"}, "DHCPACK 10.0.10.10 10m0s")
}

// A gate that changes its mind is no failure of the ledger.
func TestGateRefusesAtCommit(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	p.before = func(c lease.Change) lease.Change {
		p.fail = errGate
		w.put(backup(c.New.Addr.String(), lease.Client{}))
		return c
	}
	w.expect("the address is the partner's by now", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"}, "silence")
	if got, want := w.lines()[0], "DHCPREQUEST for 10.0.10.10 (10.0.10.251) from 02:00:00:00:00:01 via eth0: lease owned by peer"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

// A disk that takes its time does not make the lease longer.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := pair(t, "10.0.10.10", "10.0.10.11")
		wait := 10 * time.Second
		p.before = func(c lease.Change) lease.Change { <-time.After(wait); return c }
		ask := msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"}
		w.expect("request", ask, "DHCPACK 10.0.10.10 9m50s")
		w.now, wait = w.now.Add(300*time.Second), 601*time.Second
		w.expect("so slow that it is over", ask, "silence")
	})
}

func TestLeaseChangesMeanwhile(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	once := true
	p.before = func(c lease.Change) lease.Change {
		if once {
			once = false
			w.put(active("10.0.10.10", msg{mac: number(7)}.client()))
		}
		return c
	}
	w.expect("another client was faster", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251"},
		"DHCPNAK: requested address not available")

	p.before = func(c lease.Change) lease.Change {
		l := w.book.Get(addr("10.0.10.11"))
		l.Status, l.LastTransaction = lease.Free, l.LastTransaction.Add(time.Second)
		if l.LastTransaction.Year() < 1970 {
			l.LastTransaction = start
		}
		w.put(l)
		return c
	}
	w.expect("it never holds still", msg{kind: dhcpRequest, wish: "10.0.10.11", server: "10.0.10.251"}, "silence")
	if got := w.server.Stats().Conflicts; got != 1 {
		t.Errorf("%d conflicts", got)
	}
}

func TestLeaseInTransition(t *testing.T) {
	me := msg{}.client()
	ended := active("10.0.10.10", me)
	ended.Status = lease.Expired

	w, _ := pair(t, "10.0.10.10", "10.0.10.10")
	w.put(ended)
	w.expect("the partner knows that it ended", msg{kind: dhcpRequest, ciaddr: "10.0.10.10"}, "silence")
	if got, want := w.lines()[0], "DHCPREQUEST for 10.0.10.10 from 02:00:00:00:00:01 via eth0: lease in transition state expired"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}

	ended.Rewind = lease.Active
	w.put(ended)
	w.expect("the partner does not", msg{kind: dhcpRequest, ciaddr: "10.0.10.10"}, "DHCPACK 10.0.10.10 10m0s")
}

package failover

import (
	"errors"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func TestStuckPartner(t *testing.T) {
	t.Run("it does not send what it was asked for", func(t *testing.T) {
		w, p, _ := normal(t, 20)
		p.lose()
		w.connect()
		w.deliver(0) // STATE, on which everything is asked for
		if !p.machine.learning {
			t.Fatal("nothing was asked")
		}
		w.nodes[1].inbox = nil
		w.now = w.now.Add(stuckTime)
		if e := p.machine.Step(w.now, Tick{}); !errors.Is(e.Close, errNoUpdates) {
			t.Errorf("after %v: %v", stuckTime, e.Close)
		}
	})
	for _, c := range []struct {
		name, vendor string
		updates      int
		want         error
	}{
		{"a Tandem acknowledges nothing", vendorClass, 1, errNoAck},
		{"an ISC dhcpd acknowledges nothing of a full window", "isc-4.4.3-P1", DefaultMaxUnacked, errNoAck},
		{"an ISC dhcpd acknowledges nothing and may wait for more", "isc-4.4.3-P1", DefaultMaxUnacked - 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, p, s := normal(t, 3*DefaultMaxUnacked)
			p.machine.session.VendorClass, p.machine.session.MaxUnacked = c.vendor, DefaultMaxUnacked
			for i := range c.updates {
				if _, err := p.grant(mac(byte(i)), time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			s.inbox = nil
			for _, at := range []struct {
				after time.Duration
				want  error
			}{{stuckTime - time.Second, nil}, {stuckTime, c.want}} {
				if e := p.machine.Step(p.w.now.Add(at.after), Tick{}); !errors.Is(e.Close, at.want) {
					t.Errorf("after %v: %v, want %v", at.after, e.Close, at.want)
				}
			}
		})
	}
}

// Between two Tandems the window is as large as it can be; an ISC dhcpd is sent no more than it takes.
func TestWindow(t *testing.T) {
	for _, c := range []struct {
		vendor    string
		announced int
		want      int
	}{
		{vendorClass, 10, maxWindow},
		{vendorClass, 5000, maxWindow},
		{"isc-4.4.3-P1", 10, 10},
		{"", 10, 10},
		{"isc-4.4.3-P1", 1 << 20, maxWindow},
	} {
		_, p, _ := normal(t, 3*DefaultMaxUnacked)
		p.machine.Step(p.w.now, Disconnected{})
		p.machine.Step(p.w.now, Connected{Session{MaxUnacked: c.announced, ReceiveTimer: time.Minute, VendorClass: c.vendor}})
		if got := p.machine.session.MaxUnacked; got != c.want {
			t.Errorf("%q, which takes %d: %d", c.vendor, c.announced, got)
		}
	}
}

func TestFullUpdateOfALargePool(t *testing.T) {
	w, p, s := normal(t, 3*maxLook)
	if _, err := p.grant(mac(1), time.Hour); err != nil {
		t.Fatal(err)
	}
	w.settle()
	s.lose()
	w.connect()
	w.pass(time.Hour + time.Minute)
	s.state(Normal)
	w.agree()
}

// Many leases that end at one moment are ended in portions, so that a client who asks meanwhile waits for one of them.
func TestManyLeasesEndInPortions(t *testing.T) {
	const many = maxDue + 50
	w, p, _ := normal(t, 3*many)
	for i := range many {
		if _, err := p.grant(mac(byte(i)), 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	w.now = w.now.Add(40 * time.Second)
	active := func() (n int) {
		for l := range p.book.All() {
			if l.Status == lease.Active {
				n++
			}
		}
		return n
	}
	for left := many; left > 0; {
		if err := p.step(Tick{}); err != nil {
			t.Fatal(err)
		}
		ended := left - active()
		if ended != min(left, maxDue) {
			t.Fatalf("of %d leases %d ended at once", left, ended)
		}
		if left -= ended; left > 0 {
			if at, ok := p.machine.Deadline(); !ok || at.After(w.now) {
				t.Errorf("the rest is not due at once: %v, %v", at, ok)
			}
		}
	}
}

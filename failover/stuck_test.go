package failover

import (
	"errors"
	"testing"
	"time"
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
	t.Run("it acknowledges nothing", func(t *testing.T) {
		_, p, s := normal(t, 40)
		for i := range byte(12) { // the window is 10
			if _, err := p.grant(mac(i), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		s.inbox = nil
		e := p.machine.Step(p.w.now.Add(stuckTime), Tick{})
		if !errors.Is(e.Close, errNoAck) {
			t.Errorf("after %v: %v", stuckTime, e.Close)
		}
	})
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

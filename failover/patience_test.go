package failover

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func TestClientThatCountsNoSecs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		p := startServer(t, w, Primary, &flaky{Memory: lease.NewMemory()})
		s := startServer(t, w, Secondary, &flaky{Memory: lease.NewMemory()})
		time.Sleep(10 * time.Second) // of the bubble
		p.want(t, Normal)
		s.want(t, Normal)
		theirs := []byte(mac(1).STID())
		if p.Serves(theirs, 0) == nil {
			p, s = s, p
		}
		for i := range 4 {
			if err := p.Serves(theirs, 0); !errors.Is(err, ErrBalanced) {
				t.Errorf("after %d s: %v, want it left to the partner", i, err)
			}
			time.Sleep(time.Second)
		}
		if err := p.Serves(theirs, 0); err != nil {
			t.Errorf("after more than 3 s: %v, want it answered", err)
		}
		time.Sleep(forgetTime + time.Second)
		if err := p.Serves(theirs, 0); !errors.Is(err, ErrBalanced) {
			t.Errorf("when it begins anew: %v, want it left to the partner", err)
		}
	})
}

func TestPatienceIsBounded(t *testing.T) {
	p := newPatience()
	now := start
	for i := range 10 * maxWaitingClients {
		p.waited(now, fmt.Append(nil, i))
	}
	if n := len(p.recent) + len(p.old); n > 2*maxWaitingClients {
		t.Errorf("%d clients are remembered", n)
	}
	if d := p.waited(now.Add(5*time.Second), fmt.Append(nil, 10*maxWaitingClients-1)); d != 5*time.Second {
		t.Errorf("the last one has waited %v, want 5 s", d)
	}
}

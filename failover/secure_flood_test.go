package failover

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// TestCallsAreTaken has all the room taken by the one kind of events: one of the other is taken in the next round, and a
// round has its bound.
func TestCallsAreTaken(t *testing.T) {
	n := startNode(t, Primary, pipeTransport{&wire{}, 0}, nil)
	n.stop()
	for name, crowded := range map[string]bool{"the partner's": true, "the clients'": false} {
		e := &Endpoint{machine: n.machine, inbox: make(chan item, maxInbox), calls: make(chan item, maxInbox)}
		many, one := e.calls, e.inbox
		if crowded {
			many, one = one, many
		}
		for range maxInbox {
			many <- item{event: Tick{}}
		}
		one <- item{event: Started{}}
		items := e.next(t.Context())
		if !slices.ContainsFunc(items, func(it item) bool { return it.event == Started{} }) || len(items) > 2*maxBatch+1 {
			t.Errorf("%s flood: a round of %d events is without the other's one", name, len(items))
		}
	}
}

// TestFlood has the partner, once connected, send what is valid without a pause. Clients are served meanwhile.
func TestFlood(t *testing.T) {
	update := func(i uint32) Body {
		return &BindingUpdate{Bindings: []Binding{{
			Addr: netip.AddrFrom4([4]byte{10, 0, 10, byte(200 + i%50)}), Status: lease.Active, Client: mac(byte(i % 50)),
			Since: start, LastTransaction: start, Expiry: start.Add(time.Duration(i) * time.Second),
		}}}
	}
	for name, body := range map[string]func(uint32) Body{
		"CONTACT":   func(uint32) Body { return &Contact{} },
		"BNDUPD":    update,
		"UPDREQALL": func(uint32) Body { return &UpdateRequestAll{} },
		"POOLREQ":   func(uint32) Body { return &PoolRequest{} },
		"STATE":     func(uint32) Body { return &StateReport{State: Normal} },
		"BNDACK": func(i uint32) Body {
			return &BindingAck{Results: []Result{{Addr: netip.AddrFrom4([4]byte{10, 0, 10, byte(i)})}}}
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testFlood(t, body) }) })
	}
}

func testFlood(t *testing.T, body func(uint32) Body) {
	now := lease.Second(time.Now())
	w := &wire{}
	n := startNode(t, Primary, pipeTransport{w, 0}, nil,
		lease.Peer{Name: "ha-dhcp", State: uint8(Normal), Since: now, Partner: uint8(Normal), PartnerSince: now})
	synctest.Wait()
	p := dialScript(t, pipeTransport{w, 1})
	p.read() // CONNECT
	p.send(&Frame{Time: time.Now(), Body: &ConnectAck{Name: "ha-dhcp", MaxUnacked: 1 << 31, ReceiveTimer: time.Minute}})
	go func() { _, _ = io.Copy(io.Discard, p.conn) }()
	for i, s := range []State{CommunicationsInterrupted, Normal} {
		p.send(&Frame{Time: time.Now(), XID: uint32(i + 1), Body: &StateReport{State: s}})
	}
	time.Sleep(10 * time.Second) // of the bubble: the pools are balanced
	n.want(t, Normal)

	var sent atomic.Int64
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := uint32(3); ; i++ {
			b := encode(t, &Frame{Time: time.Now(), XID: i, Body: body(i)})
			select {
			case <-stop:
				return
			default:
			}
			if _, err := p.conn.Write(b); err != nil {
				t.Errorf("the flood ends: %v", err)
				return
			}
			sent.Add(1)
		}
	}()
	for range 5 * maxInbox { // let it rise
		if sent.Load() > 2*maxInbox {
			break
		}
		if err := n.Commit(t.Context(), lease.Change{}); err == nil {
			t.Error("nothing is committed without an error")
		}
	}
	for i := range byte(20) {
		_, err := n.give(t.Context(), mac(100+i))
		for errors.Is(err, lease.ErrConflict) { // it was just given to the partner
			_, err = n.give(t.Context(), mac(100+i))
		}
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	close(stop)
	<-stopped
	synctest.Wait()
	if !n.Status().Connected {
		t.Error("the connection is lost")
	}
}

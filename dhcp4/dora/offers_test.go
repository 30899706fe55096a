package dora

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func key(n int) lease.Key { return lease.Client{HW: lease.MakeHWAddr(1, mac(number(n)))}.Key(0) }

func TestOffers(t *testing.T) {
	a, b := addr("10.0.0.1"), addr("10.0.0.2")
	o := newOffers(10)
	if !o.hold(start, key(1), a) {
		t.Fatal("a vacant address is not kept")
	}
	if o.hold(start, key(2), a) {
		t.Error("one address is kept for two clients")
	}
	if o.hold(start, key(1), b) {
		t.Error("two addresses are kept for one client")
	}
	if got := o.holder(start, key(1), a); got != client {
		t.Errorf("the holder sees %v", got)
	}
	if got := o.holder(start, key(2), a); got != another {
		t.Errorf("another client sees %v", got)
	}
	o.setVacant(key(1), a)
	later := start.Add(offerHold - 1)
	if got, vacant := o.of(later, key(1)); got != a || !vacant {
		t.Errorf("before the hold ends: %v, %v", got, vacant)
	}
	if !o.hold(later, key(1), a) {
		t.Error("an offer is not repeated")
	}
	later = later.Add(offerHold)
	if got, _ := o.of(later, key(1)); got.IsValid() {
		t.Errorf("after the hold: %v", got)
	}
	if !o.hold(later, key(2), a) || o.len() != 1 {
		t.Error("after the hold the address is not for others")
	}
	o.drop(key(1)) // has none
	o.drop(key(2))
	if o.len() != 0 || o.holder(later, key(1), a) != nobody {
		t.Error("a dropped offer is kept")
	}
}

func TestOffersInScopes(t *testing.T) {
	o := newOffers(10)
	c := lease.Client{ID: "x"}
	if !o.hold(start, c.Key(0), addr("10.0.0.1")) || !o.hold(start, c.Key(1), addr("10.1.0.1")) {
		t.Error("a client cannot be offered an address in each of two networks")
	}
}

func TestOffersAreBounded(t *testing.T) {
	o := newOffers(3)
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }
	for n := range 3 {
		o.hold(start.Add(time.Duration(n)*time.Second), key(n), at(n))
	}
	o.hold(start.Add(4*time.Second), key(0), at(0)) // the oldest is now 1
	if !o.hold(start.Add(5*time.Second), key(9), at(9)) {
		t.Fatal("no room is made")
	}
	for n, want := range map[int]bool{0: true, 1: false, 2: true, 9: true} {
		if got, _ := o.of(start.Add(5*time.Second), key(n)); got.IsValid() != want {
			t.Errorf("client %d has %v", n, got)
		}
	}
	if o.len() != 3 {
		t.Errorf("%d offers", o.len())
	}
}

package failover

import (
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// TestPresence builds each body without and with what it may have, and asks Has.
func TestPresence(t *testing.T) {
	type body interface {
		Has(OptionCode) bool
		Omit(...OptionCode)
	}
	now := time.Unix(0x6b02db3e, 0)
	tests := []struct {
		name        string
		zero, whole body
		may         optionSet // have beyond always
	}{
		{"binding", &Binding{}, &Binding{Client: lease.Client{ID: "i", HW: "\x01h"}, LastTransaction: now, Flags: lease.BOOTP,
			ReplyOptions: "r", RequestOptions: "q"}, reads[TypeBindingUpdate] &^ always[TypeBindingUpdate]},
		{"result", &Result{}, &Result{Reason: RejectUnknown, Text: "no"}, reads[TypeBindingAck] &^ always[TypeBindingAck]},
		{"connect", &Connect{}, &Connect{Name: "n", MaxUnacked: 1, ReceiveTimer: time.Second, VendorClass: "v",
			DelayedService: time.Second}, reads[TypeConnect] &^ always[TypeConnect]},
		{"connect ack", &ConnectAck{}, &ConnectAck{Name: "n", MaxUnacked: 1, ReceiveTimer: time.Second, VendorClass: "v",
			Reason: RejectUnknown, Text: "t"}, reads[TypeConnectAck] &^ always[TypeConnectAck]},
		{"state", &StateReport{}, &StateReport{State: Normal, Startup: true, Since: now}, 0},
	}
	types := []MessageType{TypeBindingUpdate, TypeBindingAck, TypeConnect, TypeConnectAck, TypeState}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for c := OptionCode(0); c < 40; c++ {
				if got, want := test.zero.Has(c), always[types[i]].has(c); got != want {
					t.Errorf("zero.Has(%v) is %v", c, got)
				}
				if got, want := test.whole.Has(c), (always[types[i]] | test.may).has(c); got != want {
					t.Errorf("whole.Has(%v) is %v", c, got)
				}
				test.whole.Omit(c)
				if test.whole.Has(c) {
					t.Errorf("has %v, which it is to omit", c)
				}
			}
		})
	}
}

// TestOmit writes a message without its options: no more than a header is left.
func TestOmit(t *testing.T) {
	all := make([]OptionCode, len(options))
	for i := range all {
		all[i] = OptionCode(i)
	}
	connect := &Connect{Name: "n", MaxUnacked: 1, ReceiveTimer: time.Second, VendorClass: "v", MCLT: time.Hour, Version: 1}
	connect.Omit(all...)
	ack := &ConnectAck{Name: "n", MaxUnacked: 1, ReceiveTimer: time.Second, VendorClass: "v", Reason: RejectUnknown, Text: "t"}
	ack.Omit(all...)
	binding := Binding{Client: lease.Client{ID: "i", HW: "\x01h"}, Status: lease.Active, Expiry: lease.Never, Flags: lease.BOOTP}
	binding.Omit(all...)
	result := Result{Reason: RejectUnknown, Text: "t"}
	result.Omit(all...)
	state := &StateReport{Startup: true}
	state.Omit(all...)
	for _, b := range []Body{connect, ack, &BindingUpdate{[]Binding{binding}}, &BindingAck{[]Result{result}}, state} {
		f := Frame{Body: b}
		if got := encode(t, &f); len(got) != headerSize {
			t.Errorf("%v: %x", b.Type(), got)
		}
		f.Vendor = "v"
		if got := encode(t, &f); len(got) != headerSize+5 {
			t.Errorf("%v with vendor options: %x", b.Type(), got)
		}
	}
}

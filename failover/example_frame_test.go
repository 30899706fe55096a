package failover_test

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// A server tells its partner of a lease that it has just given, and the partner agrees.
func ExampleFrame() {
	now := time.Date(2026, time.November, 22, 12, 8, 38, 0, time.UTC)
	update := failover.Frame{Time: now, XID: 247, Body: &failover.BindingUpdate{Bindings: []failover.Binding{{
		Addr:            netip.MustParseAddr("10.0.0.5"),
		Status:          lease.Active,
		Client:          lease.Client{HW: lease.MakeHWAddr(1, []byte{0x02, 0, 0, 0, 0, 0x0a})},
		Expiry:          now.Add(time.Hour), // MCLT: the partner knows nothing yet
		PotentialExpiry: now.Add(72*time.Hour + 30*time.Minute),
		Since:           now,
		LastTransaction: now,
	}}}}
	ack := failover.Frame{Time: now, XID: update.XID, Body: &failover.BindingAck{Results: []failover.Result{{
		Addr: netip.MustParseAddr("10.0.0.5"),
	}}}}

	wire, err := update.AppendBinary(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if wire, err = ack.AppendBinary(wire); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x\n", wire[len(wire)-20:])

	for r := failover.NewReader(bytes.NewReader(wire)); ; {
		f, err := r.ReadFrame()
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(f.Relative(now))
	}
	// Output:
	// 0014040c6b02db46000000f7000200040a000005
	// BNDUPD 10.0.0.5 ACTIVE client=02:00:00:00:00:0a expiry=+1h potential=+72h30m since=+0s last=+0s
	// BNDACK 10.0.0.5
}

// A binding may lack what it needs. It is read all the same, so that the answer can say what is wrong.
func ExampleBinding_Has() {
	var f failover.Frame
	if err := f.UnmarshalBinary([]byte("\x00\x14\x03\x0c\x6b\x02\xdb\x46\x00\x00\x00\x07\x00\x02\x00\x04\x0a\x00\x00\x05")); err != nil {
		fmt.Println(err)
		return
	}
	b := f.Body.(*failover.BindingUpdate).Bindings[0]
	fmt.Println(b.Addr, b.Has(failover.OptionAssignedIPAddress), b.Has(failover.OptionBindingStatus))
	// Output: 10.0.0.5 true false
}

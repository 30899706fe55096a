package lease_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func Example() {
	ctx := context.Background()
	book, err := lease.OpenBook(ctx, lease.NewMemory(), lease.BookConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	addr := netip.MustParseAddr("10.0.10.20")
	now := lease.FromUnix(1795349310)
	grant := func(mac ...byte) error {
		l := book.Get(addr)
		mine := l
		mine.Status = lease.Active
		mine.Client = lease.Client{HW: lease.MakeHWAddr(1, mac)}
		mine.Since, mine.Expiry = now, now.Add(time.Hour)
		return book.Apply(ctx, lease.Batch{Changes: []lease.Change{{Old: l, New: mine}}})
	}
	if err := grant(8, 0, 0x27, 0xd9, 0x45, 0x96); err != nil {
		fmt.Println(err)
	}
	l := book.Get(addr)
	fmt.Println(l.Addr, l.Status, l.Client)

	// Whoever decided on what the address was before is refused.
	err = book.Apply(ctx, lease.Batch{Changes: []lease.Change{{Old: lease.Virgin(addr), New: l}}})
	fmt.Println(errors.Is(err, lease.ErrConflict))
	// Output:
	// 10.0.10.20 active 08:00:27:d9:45:96
	// true
}

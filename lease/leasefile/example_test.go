package leasefile_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
)

func Example() {
	dir, err := os.MkdirTemp("", "leases")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "dhcpd.leases")

	// A file that an ISC dhcpd has left behind.
	_ = os.WriteFile(path, []byte(`
lease 10.0.0.7 {
  starts 0 2026/11/22 12:00:00;
  ends 0 2026/11/22 13:00:00;
  cltt 0 2026/11/22 12:00:00;
  binding state active;
  next binding state expired;
  hardware ethernet 02:00:00:00:00:07;
}
`), 0o644)

	ctx := context.Background()
	s, err := leasefile.Open(path, leasefile.Config{
		Failover: func(netip.Addr) bool { return true },
		Report:   func(err error) { fmt.Println("left out:", err) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	book, err := lease.OpenBook(ctx, s, lease.BookConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}

	// The client renews. Apply returns when that is on disk.
	old := book.Get(netip.MustParseAddr("10.0.0.7"))
	renewed := old
	renewed.LastTransaction = time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	renewed.Expiry = time.Date(2026, 11, 22, 13, 30, 0, 0, time.UTC)
	renewed.SentPotentialExpiry = renewed.Expiry.Add(30 * time.Minute)
	if err := book.Apply(ctx, lease.Batch{Changes: []lease.Change{{Old: old, New: renewed}}}); err != nil {
		fmt.Println(err)
	}
	if err := s.Close(); err != nil {
		fmt.Println(err)
	}

	text, _ := os.ReadFile(path)
	fmt.Printf("%s", text[bytes.LastIndex(text, []byte("# begin")):])
	// Output:
	// # begin 245
	// lease 10.0.0.7 {
	//   starts 0 2026/11/22 12:00:00;
	//   ends 0 2026/11/22 13:30:00;
	//   tstp 0 2026/11/22 14:00:00;
	//   cltt 0 2026/11/22 12:30:00;
	//   binding state active;
	//   next binding state expired;
	//   hardware ethernet 02:00:00:00:00:07;
	//   # tandem
	// }
	// # commit 245 5272c11d
}

// An operator puts a server into partner-down by appending a stanza while it is stopped, as with ISC dhcpd.
func ExampleStore_Load() {
	dir, err := os.MkdirTemp("", "leases")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "dhcpd.leases")
	s, err := leasefile.Open(path, leasefile.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = s.Close()

	f, _ := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	fmt.Fprint(f, `failover peer "ha-dhcp" state {
  my state partner-down at 0 2026/11/22 14:00:00;
  partner state communications-interrupted at 0 2026/11/22 13:00:00;
}
`)
	_ = f.Close()

	s, err = leasefile.Open(path, leasefile.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	_, peers, err := s.Load(context.Background())
	fmt.Println(peers[0].Name, peers[0].State, peers[0].Since, err)
	// Output:
	// ha-dhcp 4 2026-11-22 14:00:00 +0000 UTC <nil>
}

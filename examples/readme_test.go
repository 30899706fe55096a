package examples_test

import (
	"context"
	"log"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/dhcp4/l2"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/pool"
)

// The examples of this file are the code of README.md.

// A server of its own. It would serve eth0, and so it is not run here.
func Example_alone() {
	ctx, logger := context.Background(), zap.Must(zap.NewProduction())
	store := must(leasefile.Open("dhcpd.leases", leasefile.Config{}))
	book := must(lease.OpenBook(ctx, store, lease.BookConfig{}))
	office := must(pool.New(pool.Config{Name: "office", Ranges: []pool.Range{{
		First: netip.MustParseAddr("10.0.10.10"), Last: netip.MustParseAddr("10.0.10.250"),
	}}}, book))
	book.Observe(office)
	gate := dora.NewAlone(book, logger, office)
	go gate.Run(ctx)
	handler := must(dora.New(dora.Config{Networks: []dora.Network{{
		Subnets: []dora.Subnet{{Prefix: netip.MustParsePrefix("10.0.10.0/24")}},
		Pools:   []dora.Pool{{Pool: office, Gate: gate}},
	}}}, book, logger))
	conn := must(l2.Listen(l2.Config{Interfaces: []string{"eth0"}}))
	log.Fatal((&dhcp4.Server{Handler: handler, Logger: logger}).Serve(ctx, conn))
}

// What a pair has instead of dora.NewAlone.
func Example_pair() {
	ctx, logger := context.Background(), zap.Must(zap.NewProduction())
	store := must(leasefile.Open("dhcpd.leases", leasefile.Config{Failover: func(netip.Addr) bool { return true }}))
	book := must(lease.OpenBook(ctx, store, lease.BookConfig{}))
	office := must(pool.New(pool.Config{Name: "office", Ranges: []pool.Range{{
		First: netip.MustParseAddr("10.0.10.10"), Last: netip.MustParseAddr("10.0.10.250"),
	}}}, book))
	book.Observe(office)

	half := must(pool.Split(128))
	gate := must(failover.NewEndpoint(failover.Config{
		Name: "office", Role: failover.Primary, // the other: Secondary, without MCLT and HBA
		Local:   netip.MustParseAddrPort("10.0.10.251:647"),
		Partner: netip.MustParseAddrPort("10.0.10.252:647"),
		MCLT:    time.Hour, HBA: &half, MaxSecs: 3,
		Pools: []*pool.Pool{office},
	}, book, failover.Options{Logger: logger}))
	go gate.Run(ctx)
}

// must ends the program on an error.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// TestReadme holds README.md to code that compiles: each of its Go blocks stands in this file, line by line.
func TestReadme(t *testing.T) {
	here, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Error("README.md has no Go in it")
	}
	for _, block := range blocks {
		code, _, ended := strings.Cut(block, "```")
		if !ended || !strings.Contains(unindented(string(here)), unindented(code)) {
			t.Errorf("not in readme_test.go:\n%s", code)
		}
	}
}

// unindented returns a text without what its lines begin with to look nice.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

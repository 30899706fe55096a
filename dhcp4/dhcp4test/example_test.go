package dhcp4test_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dhcp4test"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
)

// In these examples t is this; in a test it is the *testing.T of synctest.Test, and no time passes.
type example struct {
	testing.TB
	cleanups []func()
}

func (e *example) Helper()                   {}
func (e *example) Cleanup(f func())          { e.cleanups = append(e.cleanups, f) }
func (e *example) Error(args ...any)         { fmt.Println(args...) }
func (e *example) Errorf(f string, a ...any) { fmt.Printf(f+"\n", a...) }
func (e *example) Fatal(args ...any)         { log.Panic(args...) }
func (e *example) Fatalf(f string, a ...any) { log.Panicf(f, a...) }

func (e *example) end() {
	for _, f := range e.cleanups {
		f()
	}
}

// A handler of one's own, in ten lines.
func Example_handler() {
	t := new(example)
	defer t.end()
	hello := dhcp4.HandlerFunc(func(_ context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
		ack := req.NewReply(&req.Reply, dhcp4.MessageTypeAck)
		ack.SetText(dhcp4.OptionDomainName, "example.org")
		return ack, nil
	})

	lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
	lan.Serve(hello)
	client := lan.NewClient()
	ack, err := client.Ask(client.Message(dhcp4.MessageTypeInform))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(ack.MessageType(), ack.Text(dhcp4.OptionDomainName))
	// Output: DHCPACK example.org
}

// A lease policy, in twenty lines: guests get ten minutes, and only addresses from .200 on.
func Example_policy() {
	t := new(example)
	defer t.end()
	guests := dora.Permit{Who: dora.ClassMembers, Class: "guests"}
	lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
	lan.NewServer(dhcp4test.ServerConfig{
		Pools: []dhcp4test.Pool{
			{First: lan.Addr(10), Last: lan.Addr(199), Deny: []dora.Permit{guests}},
			{First: lan.Addr(200), Last: lan.Addr(250), Allow: []dora.Permit{guests},
				Settings: dora.Settings{MaxLease: 10 * time.Minute}},
		},
		Adjust: func(cfg *dora.Config) {
			cfg.Classes = []dora.Class{{Name: "guests", Match: func(m *dhcp4.Message) bool { return m.HostName() == "" }}}
		},
	})

	staff, guest := lan.NewClient(), lan.NewClient()
	staff.HostName = "ada"
	for _, c := range []*dhcp4test.Client{staff, guest} {
		l, err := c.Acquire()
		fmt.Println(l.Addr, l.Length, err)
	}
	// Output:
	// 10.0.0.10 12h0m0s <nil>
	// 10.0.0.200 10m0s <nil>
}

// A whole failover, in thirty lines: a server is killed, its client renews with the other, and in the end both know all.
func Example_failover() {
	t := new(example)
	defer t.end()
	lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
	pair := lan.NewPair(dhcp4test.PairConfig{
		ServerConfig: dhcp4test.ServerConfig{Settings: dora.Settings{DefaultLease: 8 * time.Hour, CacheThreshold: -1}},
		MCLT:         time.Hour,
	})
	pair.Await(failover.Normal)

	client := lan.NewClient()
	first, err := client.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("the first lease is MCLT long:", first.Length)
	pair.Settle()

	pair.Primary.Crash()
	pair.Secondary.Await(failover.CommunicationsInterrupted)
	again, err := client.Rebind()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("the survivor renews it whole:", again.Length, again.Addr == first.Addr, again.Server == pair.Secondary.Addr())

	pair.Primary.Restart()
	pair.Settle()
	record := pair.Primary.Book().Get(client.Addr())
	fmt.Println("the other has learnt it:", record.Status, record.Client)
	// Output:
	// the first lease is MCLT long: 1h0m0s
	// the survivor renews it whole: 8h0m0s true true
	// the other has learnt it: active 02:00:00:00:00:01
}

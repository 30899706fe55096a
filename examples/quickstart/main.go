// Command quickstart runs a pair of DHCP servers that share one pool, in one process, and shows what they are for: two
// servers meet, divide the addresses and the clients; one is killed, its clients keep their addresses and new ones are
// served; it comes back, and the two agree again. It needs no root, no configuration and no network: the clients are on
// a LAN made of channels, the failover protocol runs over TCP on the loopback.
//
//	go run ./examples/quickstart [-clients N]
//
// It takes some twenty seconds. The exit code is 1 if a client lost its address or an address was held twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// The times of the demonstration. A real pair has an MCLT of an hour and leases of days.
const (
	mclt      = 4 * time.Second
	leaseTime = 10 * time.Second
	maxSecs   = 1 // load balance max seconds
)

const maxClients = 5000

func main() {
	clients := flag.Int("clients", 60, "how many clients to simulate, 4 to 5000")
	flag.Parse()
	if flag.NArg() > 0 || *clients < 4 || *clients > maxClients {
		fmt.Fprintf(os.Stderr, "quickstart: -clients is %d, want 4 to %d, and no arguments\n", *clients, maxClients)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, *clients)
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

// run plays the whole story and reports whether all promises were kept.
func run(ctx context.Context, clients int) (bool, error) {
	dir, err := os.MkdirTemp("", "tandem-quickstart-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	show := newTimeline(os.Stdout)
	segment := newLAN()
	one, two, err := newPair(dir, segment, show, max(240, 3*clients))
	if err != nil {
		return false, err
	}
	defer one.stop()
	defer two.stop()

	show.chapter("two servers with empty lease files start")
	for _, n := range []*node{one, two} {
		if err := n.start(); err != nil {
			return false, err
		}
	}
	if err := both(ctx, one, two, 10*time.Second, func() bool { return one.normal() && two.normal() }); err != nil {
		return false, fmt.Errorf("the two did not reach normal: %w", err)
	}
	show.say("the pool is divided: %s", shares(one))

	show.chapter("%d clients ask for an address", clients-clients/4)
	crowd := newCrowd(segment)
	defer crowd.stop()
	crowd.add(clients - clients/4)
	if err := both(ctx, one, two, 10*time.Second, func() bool { return crowd.bound() == clients-clients/4 }); err != nil {
		return false, fmt.Errorf("%d of %d clients have an address: %w", crowd.bound(), clients-clients/4, err)
	}
	show.say("each server answered the clients that RFC 3074 gives it: %s", crowd.servedBy())
	if err := watch(ctx, show, crowd, 4*time.Second); err != nil {
		return false, err
	}
	show.say("renewed: first leases were %v (MCLT) long, renewals are %v", mclt, leaseTime)

	show.chapter("the primary is killed")
	one.kill()
	if err := both(ctx, one, two, 5*time.Second, func() bool { return !two.normal() }); err != nil {
		return false, err
	}
	crowd.add(clients / 4)
	show.say("%d new clients come while it is away", clients/4)
	if err := watch(ctx, show, crowd, 7*time.Second); err != nil {
		return false, err
	}

	show.chapter("the primary comes back with its lease file")
	if err := one.start(); err != nil {
		return false, err
	}
	if err := both(ctx, one, two, 15*time.Second, func() bool { return one.normal() && two.normal() && crowd.bound() == clients }); err != nil {
		return false, fmt.Errorf("the two did not come together again: %w", err)
	}
	if err := watch(ctx, show, crowd, 3*time.Second); err != nil {
		return false, err
	}
	show.say("the pool is balanced: %s", shares(one))
	crowd.stop()
	if err := both(ctx, one, two, 5*time.Second, func() bool { return one.settled() && two.settled() }); err != nil {
		return false, fmt.Errorf("updates are still under way: %w", err)
	}
	return summary(show, crowd, one, two, clients), nil
}

// both waits until a condition holds.
func both(ctx context.Context, one, two *node, patience time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("primary %v, secondary %v: %w", one.state(), two.state(), ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// watch lets time go by, with a line of progress each second.
func watch(ctx context.Context, show *timeline, c *crowd, d time.Duration) error {
	end := time.After(d)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-tick.C:
			show.progress(c)
		}
	}
}

// shares says how the free addresses are divided.
func shares(n *node) string {
	c := n.pool.Counts()
	return fmt.Sprintf("%d free for the primary, %d for the secondary, %d leased", c.Free, c.Backup, c.Active)
}

// summary checks what was promised and prints it.
func summary(show *timeline, c *crowd, one, two *node, clients int) bool {
	differ := 0
	seen := make(map[netip.Addr]bool)
	for _, n := range []*node{one, two} {
		for l := range n.book.All() {
			a, b := one.book.Get(l.Addr), two.book.Get(l.Addr)
			if !seen[l.Addr] && (a.Status != b.Status || a.Status == lease.Active && (a.Client != b.Client || a.Expiry != b.Expiry)) {
				differ++
			}
			seen[l.Addr] = true
		}
	}
	t := c.tally()
	show.chapter("summary")
	ok := true
	check := func(what string, got, want int) {
		mark := "ok"
		if got != want {
			mark, ok = "WRONG", false
		}
		show.say("%-46s %6d   %s", what, got, mark)
	}
	check("addresses held twice", t.twice, 0)
	check("clients that lost their address", t.lost, 0)
	check("clients with an address", t.bound, clients)
	check("leases on which the two servers differ", differ, 0)
	show.say("%-46s %6d", "DHCPACKs heard by clients", t.acks)
	show.say("%-46s %6d", "of these while one server was dead", t.acksAlone)
	return ok
}

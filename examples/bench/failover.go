//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// events are what happens to the server in namespace s1 of a pair.
var events = []struct {
	name string
	do   func(n *network, s *server) error
}{
	{"kill -9", func(_ *network, s *server) error { return s.kill() }},
	{"cable", func(n *network, _ *server) error { return n.ip("r", "link set s1 down") }},
}

const (
	// newRate is how many new clients ask each second, through one relay that copies each message to both servers: so
	// exact is what is measured.
	newRate = 100
	// beforeEvent is how long they are served by both.
	beforeEvent = 2 * time.Second
	// firstTry is how long a client waits for an answer. Those of RFC 2131 4.1 ask again after four seconds.
	firstTry = time.Second
)

// wide is a pool of which wideShare, less than half, is enough for the clients that one server serves meanwhile.
const wideShare = 3000

var wide = setup{first: "10.1.0.0", last: "10.1.31.255", lease: time.Hour}

// patienceFor is how long new clients are watched after an event: longer than the peer should need.
func patienceFor(p peer, event string) time.Duration {
	switch {
	case p.program == "kea-dhcp4":
		return 78 * time.Second // max-response-delay is 60 s, and counts from the last heartbeat of 10 s
	case p.program == "dhcpd" && event == "cable":
		return 40 * time.Second // max-response-delay is 30 s
	default:
		return 8 * time.Second
	}
}

// failovers measures how long new clients go without an answer when one of two partners is gone. Those that need minutes
// go on while the others have their turns: there is little to do for them.
func failovers(ctx context.Context, b *bench) ([]table, error) {
	all := make(map[string]samples)
	g, ctx := errgroup.WithContext(ctx)
	turn := make(chan struct{}, 1)
	var slow []func() error
	for _, p := range b.peers {
		if p.settled == "" || !p.disk {
			continue
		}
		for _, e := range events {
			into := samples{}
			all[p.name+" "+e.name] = into
			one := func() error {
				for run := range b.runs {
					b.say("run %d of %d: %s, two %s", run+1, b.runs, e.name, p.name)
					if err := b.failover(ctx, p, e.name, e.do, into); err != nil {
						return fmt.Errorf("%s, %s: %w", p.name, e.name, err)
					}
				}
				return nil
			}
			if patienceFor(p, e.name) > time.Minute {
				slow = append(slow, one)
				continue
			}
			g.Go(func() error {
				select {
				case turn <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
				defer func() { <-turn }()
				return one()
			})
		}
	}
	for _, one := range slow {
		g.Go(one)
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	t := table{
		title:   fmt.Sprintf("One of two partners is gone: until each new client is answered at its first try (%d a second ask; answered is within %v)", newRate, firstTry),
		columns: []string{"servers", "killed (-9): s until all are answered", "clients that were not", "cable pulled: s until all are answered", "clients that were not"},
	}
	for _, p := range b.peers {
		row := []string{p.name}
		for _, e := range events {
			s := all[p.name+" "+e.name]
			row = append(row, s.cell("after", "%.2f"), s.cell("failed", "%.0f"))
		}
		if all[p.name+" "+events[0].name] != nil {
			t.rows = append(t.rows, row)
		}
	}
	return []table{t}, nil
}

// failover lets one event happen to a pair in a network of its own.
func (b *bench) failover(ctx context.Context, p peer, event string, do func(*network, *server) error, into samples) error {
	own := *b
	var err error
	if own.net, err = newNetwork(p.name + event[:1]); err != nil {
		return err
	}
	defer own.net.remove()
	servers, err := own.startPair(ctx, [2]peer{p, p}, wide, nil)
	if err != nil {
		return err
	}
	defer stopAll(&own, servers)
	if err := own.hasShare(ctx, p, servers[1], wideShare); err != nil {
		return err
	}
	if _, err := own.ready(ctx, 0, pairAddrs...); err != nil {
		return err
	}
	lasts := beforeEvent + patienceFor(p, event)
	clients, err := own.stream(ctx, pairAddrs, "-rate", fmt.Sprint(newRate), "-for", lasts.String(), "-timeout", firstTry.String(), "-first", "1000000")
	if err != nil {
		return err
	}
	if err = sleep(ctx, beforeEvent); err != nil {
		return err
	}
	at := time.Now()
	if err = do(own.net, servers[0]); err != nil {
		return err
	}
	met, err := clients.wait()
	if err != nil {
		return err
	}
	if before := spanOf(met, at.Add(-beforeEvent), at.Add(-firstTry)); before.failed > before.n/100 || before.n == 0 {
		return fmt.Errorf("of %d clients before, %d were not served", before.n, before.failed)
	}
	after, failed, ok := recovered(met, at)
	if !ok {
		return fmt.Errorf("new clients are not answered after %v", patienceFor(p, event))
	}
	into.add("after", after.Seconds())
	into.add("failed", float64(failed))
	return nil
}

// hasShare waits until the second server's lease file shows that it has so many addresses of its own to give, which come
// by updates after state normal, one after the other from ISC dhcpd. The second of a hot-standby pair has none.
func (b *bench) hasShare(ctx context.Context, p peer, second *server, share int) error {
	if p.program == "kea-dhcp4" {
		return nil
	}
	tick := time.NewTicker(20 * lookEvery)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < readyPatience; {
		text, err := os.ReadFile(filepath.Join(second.place.data, p.file))
		if err != nil {
			return err
		}
		if bytes.Count(text, []byte("\n  binding state backup;")) >= share {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s has no %d addresses to give after %v", secondAddr, share, readyPatience)
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	manyLeases = 100_000
	fewLeases  = 5_000 // as many as ISC dhcpd takes in a time that one can wait for
	// otherRate is how many other clients ask each second while a partner is told everything.
	otherRate = 100
	// someShare is how many addresses the partner has of its own before it is killed: the pools have been balanced then.
	someShare = 100
	// beforeResync is how long they are watched before, for comparison.
	beforeResync = 2 * time.Second
)

// resyncCases are who tells whom how much. The names are of peers.
var resyncCases = []struct {
	from, to string
	leases   int
}{
	{"tandem", "tandem", manyLeases},
	{"tandem", "isc", fewLeases},
	{"isc", "isc", fewLeases},
}

// Pools with room for leases, and for other clients.
var (
	roomForMany = setup{first: "10.1.0.0", last: "10.2.255.255", lease: time.Hour}
	roomForFew  = setup{first: "10.1.0.0", last: "10.1.31.255", lease: time.Hour}
)

func roomFor(leases int) setup {
	if leases > fewLeases {
		return roomForMany
	}
	return roomForFew
}

// resyncs measures how long it takes until a partner that has lost its lease file has been told all of it, and what other
// clients of the one that tells notice.
func resyncs(ctx context.Context, b *bench) ([]table, error) {
	t := table{
		title:   fmt.Sprintf("A partner has lost its lease file: from UPDREQALL to UPDDONE; %d other clients a second meanwhile, and before", otherRate),
		columns: []string{"from, to", "leases", "s", "before: p50 ms", "p99 ms", "meanwhile: p50 ms", "p99 ms", "longest ms", "not served"},
	}
	for _, c := range resyncCases {
		from, to, err := b.both(c.from, c.to)
		if err != nil {
			b.say("%s to %s: %v", c.from, c.to, err)
			continue
		}
		into := samples{}
		for run := range b.runs {
			b.say("run %d of %d: %s tells %s %d leases", run+1, b.runs, c.from, c.to, c.leases)
			if err := b.resync(ctx, from, to, c.leases, into); err != nil {
				return nil, fmt.Errorf("%s to %s: %w", c.from, c.to, err)
			}
		}
		t.rows = append(t.rows, []string{c.from + ", " + c.to, fmt.Sprint(c.leases), into.cell("took", "%.2f"),
			into.cell("before p50", "%.2f"), into.cell("before p99", "%.2f"), into.cell("while p50", "%.2f"), into.cell("while p99", "%.2f"), into.cell("while most", "%.1f"), into.cell("while failed", "%.0f")})
	}
	return []table{t}, nil
}

// both finds two peers by name, of those that take part.
func (b *bench) both(names ...string) (from, to peer, err error) {
	found := make([]peer, 2)
	for i, name := range names {
		for _, p := range b.peers {
			if p.name == name {
				found[i] = p
			}
		}
		if found[i].name == "" {
			err = errors.Join(err, fmt.Errorf("%s does not take part", name))
		}
	}
	return found[0], found[1], err
}

// resync has two partners with leases, kills the second, takes its lease file away and lets it come back.
func (b *bench) resync(ctx context.Context, from, to peer, leases int, into samples) error {
	servers, err := b.startPair(ctx, [2]peer{from, to}, roomFor(leases), func(p peer, at place) error { return b.fillPartner(p, at, leases, tomorrow()) })
	if err != nil {
		return err
	}
	defer stopAll(b, servers)
	teller, empty := servers[0], servers[1]
	if err := b.hasShare(ctx, to, empty, someShare); err != nil {
		return err
	}
	if err := empty.kill(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(empty.place.data, to.file), nil, 0o644); err != nil {
		return err
	}
	if _, err := b.ready(ctx, 0, firstAddr); err != nil {
		return err
	}
	others, err := b.stream(ctx, []string{firstAddr}, "-rate", fmt.Sprint(otherRate), "-for", readyPatience.String(), "-clients", "1000", "-first", "1000000")
	if err != nil {
		return err
	}
	began, ended, err := b.comeBack(ctx, teller, &servers[1], to)
	if err := errors.Join(err, others.stop()); err != nil {
		return err
	}
	met, err := others.wait()
	if err != nil {
		return err
	}
	into.add("took", ended.Sub(began).Seconds())
	into.addSpan("before", spanOf(met, began.Add(-beforeResync), began))
	into.addSpan("while", spanOf(met, began, ended))
	return nil
}

// comeBack starts the partner that has lost its leases, and returns when it asked for all and when it was told that this
// is all. It has the other processor, as if it were another machine: the load leaves most of that.
func (b *bench) comeBack(ctx context.Context, teller *server, partner **server, p peer) (began, ended time.Time, err error) {
	if err := sleep(ctx, beforeResync); err != nil {
		return began, ended, err
	}
	from, err := teller.logged()
	if err != nil {
		return began, ended, err
	}
	again, err := b.startOn(ctx, loadCPU, p, (*partner).place, "s2")
	if err != nil {
		return began, ended, err
	}
	*partner = again
	if began, err = teller.waitLog(ctx, from, "Update request all from"); err != nil {
		return began, ended, err
	}
	ended, err = teller.waitLog(ctx, from, "Sent update done message to")
	return began, ended, err
}

// fillPartner writes the lease file of a partner in state normal, with leases that end at one moment.
func (b *bench) fillPartner(p peer, at place, leases int, end time.Time) error {
	p.format = dhcpdLeaseOfPair
	if err := b.fillTo(p, at, leases, end); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(at.data, p.file), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	since := time.Now().UTC().Add(-time.Hour)
	when := fmt.Sprintf("%d %s", since.Weekday(), since.Format(dhcpdTime))
	_, err = fmt.Fprintf(f, "failover peer \"ha\" state {\n  my state normal at %s;\n  partner state normal at %s;\n}\n", when, when)
	return errors.Join(err, f.Close())
}

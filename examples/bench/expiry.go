//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// expiryRate is how many other clients ask each second, whatever comes back.
	expiryRate = 500
	// expirySpan is how long they are watched from the moment on at which the leases end, and before.
	expirySpan = 4 * time.Second
)

// expiryCases are whose leases end, how many, and how long after the file with them was written: a server has started by
// then, and served others for expirySpan.
var expiryCases = []struct {
	peer   string
	pair   bool
	leases int
	until  time.Duration
}{
	{"tandem", false, manyLeases, 9 * time.Second},
	{"tandem", true, manyLeases, 16 * time.Second},
	{"kea", false, manyLeases, 20 * time.Second}, // it looks at each of the addresses before it finds the first free one
	{"tandem", false, fewLeases, 9 * time.Second},
	{"isc", false, fewLeases, 9 * time.Second},
}

// errLate says that a server needed longer to start than it was given. It is given twice as much then, up to maxUntil.
var errLate = errors.New("it was not ready early enough")

const maxUntil = time.Minute

// expiries measures what other clients notice when many leases end in the same second.
func expiries(ctx context.Context, b *bench) ([]table, error) {
	t := table{
		title:   fmt.Sprintf("Leases that end in one second, and %d other clients a second: the %v from then on, and before", expiryRate, expirySpan),
		columns: []string{"server", "leases", "before: p50 ms", "p99.9 ms", "longest ms", "not served", "then: p50 ms", "p99.9 ms", "longest ms", "not served"},
	}
	for _, c := range expiryCases {
		p, _, err := b.both(c.peer, c.peer)
		if err != nil {
			b.say("%v", err)
			continue
		}
		into := samples{}
		for run := range b.runs {
			b.say("run %d of %d: %d leases of %s end", run+1, b.runs, c.leases, c.peer)
			err := errLate
			for until := c.until; errors.Is(err, errLate) && until <= maxUntil; until *= 2 {
				err = b.expiry(ctx, p, c.pair, c.leases, until, into)
			}
			if err != nil {
				return nil, fmt.Errorf("%s with %d leases: %w", c.peer, c.leases, err)
			}
		}
		name := c.peer
		if c.pair {
			name += ", a pair"
		}
		row := []string{name, fmt.Sprint(c.leases)}
		for _, when := range []string{"before", "then"} {
			row = append(row, into.cell(when+" p50", "%.2f"), into.cell(when+" p999", "%.1f"), into.cell(when+" most", "%.1f"), into.cell(when+" failed", "%.0f"))
		}
		t.rows = append(t.rows, row)
	}
	return []table{t}, nil
}

// expiry has a server, or two partners, with leases that are about to end serve other clients meanwhile.
func (b *bench) expiry(ctx context.Context, p peer, pair bool, leases int, until time.Duration, into samples) error {
	end := time.Now().Add(until).Truncate(time.Second)
	addrs := []string{firstAddr}
	if pair {
		addrs = pairAddrs
		servers, err := b.startPair(ctx, [2]peer{p, p}, roomFor(leases), func(p peer, at place) error { return b.fillPartner(p, at, leases, end) })
		if err != nil {
			return err
		}
		defer stopAll(b, servers)
	} else {
		s, err := b.filled(ctx, p, roomFor(leases), leases, end)
		if err != nil {
			return err
		}
		defer s.stop(b)
	}
	if _, err := b.ready(ctx, 0, addrs...); err != nil {
		return err
	}
	// The first clients of all make a server warm; those that are counted begin half a second later.
	spare := time.Until(end) - expirySpan - 500*time.Millisecond
	if spare < 0 {
		return fmt.Errorf("%w: %v before the leases ended", errLate, time.Until(end).Round(time.Millisecond))
	}
	if err := sleep(ctx, spare); err != nil {
		return err
	}
	lasts := time.Until(end) + expirySpan + 100*time.Millisecond
	others, err := b.stream(ctx, addrs, "-rate", fmt.Sprint(expiryRate), "-for", lasts.String(), "-clients", "4000", "-first", "1000000")
	if err != nil {
		return err
	}
	met, err := others.wait()
	if err != nil {
		return err
	}
	into.addSpan("before", spanOf(met, end.Add(-expirySpan), end))
	into.addSpan("then", spanOf(met, end, end.Add(expirySpan)))
	return nil
}

// addSpan adds the figures of a span, times in milliseconds.
func (s samples) addSpan(name string, of span) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	s.add(name+" p50", ms(of.p50))
	s.add(name+" p99", ms(of.p99))
	s.add(name+" p999", ms(of.p999))
	s.add(name+" most", ms(of.most))
	s.add(name+" failed", float64(of.failed))
}

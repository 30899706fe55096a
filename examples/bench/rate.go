//go:build linux

package main

import (
	"context"
	"fmt"
)

// loads are what each server has to bear in turn, each with clients of its own.
var loads = []struct {
	name string
	args []string
}{
	{"one", []string{"-window", "1"}},
	{"1000/s", []string{"-rate", "1000"}},
	{"64", []string{"-window", "64"}},
	{"1024", []string{"-window", "1024"}},
}

// clientsEach is how many clients a load has. They come again and again: all loads together fit the pool.
const clientsEach = 1024

// rates measures a single server: exchanges a second, latency, processor time.
func rates(ctx context.Context, b *bench) ([]table, error) {
	all := make(map[string]samples)
	for _, p := range b.peers {
		all[p.name] = samples{}
	}
	for run := range b.runs {
		for _, p := range b.peers {
			b.say("run %d of %d: %s", run+1, b.runs, p.name)
			if err := b.rate(ctx, p, all[p.name]); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	t := table{
		title: "One server: four-message exchanges of 1,024 clients each, through a relay",
		columns: []string{"server", "64 at a time, /s", "of reflector", "1024 at a time, /s", "of reflector", "CPU-s/10,000 (64)", "CPU-s/10,000 (1024)",
			"one at a time, p50 ms", "1,000/s, p50 ms", "1,000/s, p99 ms", "memory, MB"},
	}
	for _, p := range b.peers {
		s, top := all[p.name], all["reflector"]
		t.rows = append(t.rows, []string{p.name, s.cell("64 rate", "%.0f"), s.ratio(top, "64 rate"), s.cell("1024 rate", "%.0f"), s.ratio(top, "1024 rate"),
			s.cell("64 cpu", "%.3f"), s.cell("1024 cpu", "%.3f"), s.cell("one p50", "%.2f"), s.cell("1000/s p50", "%.2f"), s.cell("1000/s p99", "%.2f"), s.cell("memory", "%.1f")})
	}
	return append([]table{t}, ratios(b, all, "64 rate", "1024 rate", "64 cpu", "one p50", "1000/s p50", "1000/s p99")...), nil
}

// ratios are how Tandem stands to each of the others.
func ratios(b *bench, all map[string]samples, figures ...string) []table {
	t := table{title: "Tandem as a multiple of the others (medians)", columns: append([]string{"tandem :"}, figures...)}
	ours, ok := all["tandem"]
	for _, p := range b.peers {
		if !ok || p.name == "tandem" {
			continue
		}
		row := []string{p.name}
		for _, f := range figures {
			row = append(row, ours.ratio(all[p.name], f))
		}
		t.rows = append(t.rows, row)
	}
	if len(t.rows) == 0 {
		return nil
	}
	return []table{t}
}

// rate gives one server its turn.
func (b *bench) rate(ctx context.Context, p peer, into samples) error {
	at, err := b.newPlace(p, usual)
	if err != nil {
		return err
	}
	s, err := b.start(ctx, p, at, "s1")
	if err != nil {
		return err
	}
	defer s.stop(b)
	if err := b.bear(ctx, []*server{s}, []string{firstAddr}, into); err != nil {
		return err
	}
	mb, err := residentMB(s.pid())
	into.add("memory", mb)
	return err
}

// bear has servers bear each of the loads.
func (b *bench) bear(ctx context.Context, servers []*server, addrs []string, into samples) error {
	used := func() (total float64, err error) {
		for _, s := range servers {
			secs, err := cpuSeconds(s.pid())
			if err != nil {
				return 0, err
			}
			total += secs
		}
		return total, nil
	}
	for i, l := range loads {
		// A server that could not bear the load before may still be at work on what nobody waits for any more.
		if _, err := b.ready(ctx, 0, addrs...); err != nil {
			return err
		}
		before, err := used()
		if err != nil {
			return err
		}
		got, err := b.load(ctx, addrs, append([]string{"-for", b.each.String(), "-clients", fmt.Sprint(clientsEach),
			"-first", fmt.Sprint((i + 1) * clientsEach)}, l.args...)...)
		if err != nil {
			return err
		}
		after, err := used()
		if err != nil {
			return err
		}
		into.add(l.name+" rate", got.Rate)
		into.add(l.name+" p50", got.Latency["dora"].P50)
		into.add(l.name+" p99", got.Latency["dora"].P99)
		if got.Completed > 0 {
			into.add(l.name+" cpu", (after-before)/float64(got.Completed)*10000)
		}
	}
	return nil
}

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// pairs measures two partners, both on processor 0, that a relay copies each message to.
func pairs(ctx context.Context, b *bench) ([]table, error) {
	all := make(map[string]samples)
	for run := range b.runs {
		for _, p := range b.peers {
			if p.settled == "" {
				continue
			}
			b.say("run %d of %d: two %s", run+1, b.runs, p.name)
			if all[p.name] == nil {
				all[p.name] = samples{}
			}
			if err := b.pair(ctx, p, all[p.name]); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	figures := table{
		title: "Two partners in state normal: four-message exchanges of 1,024 clients each",
		columns: []string{"servers", "64 at a time, /s", "1024 at a time, /s", "CPU-s/10,000 of both (64)", "one at a time, p50 ms", "1,000/s, p50 ms", "1,000/s, p99 ms",
			"updates waiting, most", "at the end of the last load", "until there were none, ms"},
	}
	for _, p := range b.peers {
		if s := all[p.name]; s != nil {
			figures.rows = append(figures.rows, []string{p.name, s.cell("64 rate", "%.0f"), s.cell("1024 rate", "%.0f"), s.cell("64 cpu", "%.3f"),
				s.cell("one p50", "%.2f"), s.cell("1000/s p50", "%.2f"), s.cell("1000/s p99", "%.2f"),
				s.cell("queue", "%.0f"), s.cell("left", "%.0f"), s.cell("caught up", "%.0f")})
		}
	}
	return append([]table{figures}, ratios(b, all, "64 rate", "1024 rate", "64 cpu", "one p50", "1000/s p50", "1000/s p99")...), nil
}

// pair gives two of a peer their turn.
func (b *bench) pair(ctx context.Context, p peer, into samples) error {
	servers, err := b.startPair(ctx, [2]peer{p, p}, usual, nil)
	if err != nil {
		return err
	}
	defer stopAll(b, servers)
	if p.program != "" {
		return b.bear(ctx, servers, pairAddrs, into) // only ours tell how many updates wait
	}
	if _, _, err := b.catchUp(ctx, servers); err != nil { // each has its share of the pool before
		return err
	}
	q := watchQueue(ctx, servers)
	if err := errors.Join(b.bear(ctx, servers, pairAddrs, into), q.stop()); err != nil {
		return err
	}
	left, took, err := b.catchUp(ctx, servers)
	into.add("queue", float64(max(q.most, left)))
	into.add("left", float64(left))
	into.add("caught up", float64(took)/float64(time.Millisecond))
	return err
}

var pairAddrs = []string{firstAddr, secondAddr}

// startPair starts two partners, the primary in namespace s1, and waits until each says that it has the other. prepare,
// if not nil, may write files of theirs before.
func (b *bench) startPair(ctx context.Context, ps [2]peer, s setup, prepare func(p peer, at place) error) (servers []*server, err error) {
	defer func() {
		if err != nil {
			stopAll(b, servers)
			servers = nil
		}
	}()
	for i, role := range []string{"primary", "secondary"} {
		s.peer = role
		at, err := b.newPlace(ps[i], s)
		if err != nil {
			return servers, err
		}
		if prepare != nil {
			if err := prepare(ps[i], at); err != nil {
				return servers, err
			}
		}
		server, err := b.start(ctx, ps[i], at, []string{"s1", "s2"}[i])
		if err != nil {
			return servers, err
		}
		servers = append(servers, server)
	}
	for i, s := range servers {
		if _, err := s.waitLog(ctx, 0, ps[i].settled); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

func stopAll(b *bench, servers []*server) {
	for _, s := range servers {
		if err := s.stop(b); err != nil {
			b.say("%s: %v", s.ns, err)
		}
	}
}

// lookEvery is how often it is looked whether something has happened.
const lookEvery = 5 * time.Millisecond

// logged is how much a server has written.
func (s *server) logged() (int64, error) {
	info, err := os.Stat(s.log.Name())
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// waitLog waits until a server has written something after the octets that from counts, and returns when that was seen.
func (s *server) waitLog(ctx context.Context, from int64, what string) (time.Time, error) {
	f, err := os.Open(s.log.Name())
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return time.Time{}, err
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var text []byte // read last, and not long enough to be what is waited for
	for began := time.Now(); time.Since(began) < readyPatience; {
		more, err := io.ReadAll(f)
		now := time.Now()
		if text = append(text, more...); err != nil || bytes.Contains(text, []byte(what)) {
			return now, err
		}
		text = text[max(0, len(text)-len(what)):]
		select {
		case <-tick.C:
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
	return time.Time{}, fmt.Errorf("%s: no %q in %v", s.log.Name(), what, readyPatience)
}

// unacked asks a server of ours how many updates wait for its partner, or for the partner's answer.
func (s *server) unacked() (n int, err error) {
	conn, err := net.Dial("unix", s.place.file(controlSocket))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintln(conn, "status"); err != nil {
		return 0, err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return 0, err
	}
	return unackedOf(line)
}

// unackedOf reads a line of the status that our server tells.
func unackedOf(line string) (int, error) {
	_, rest, ok := strings.Cut(line, "unacked ")
	number, _, more := strings.Cut(rest, ",")
	if !ok || !more {
		return 0, fmt.Errorf("status %q tells no updates", line)
	}
	return strconv.Atoi(number)
}

// unackedOfAll is the sum over servers.
func unackedOfAll(servers []*server) (sum int, err error) {
	for _, s := range servers {
		n, err := s.unacked()
		if err != nil {
			return sum, err
		}
		sum += n
	}
	return sum, nil
}

// queueWatch looks all the time how many updates wait.
type queueWatch struct {
	cancel context.CancelFunc
	done   chan error
	most   int
}

func watchQueue(ctx context.Context, servers []*server) *queueWatch {
	ctx, cancel := context.WithCancel(ctx)
	q := &queueWatch{cancel: cancel, done: make(chan error, 1)}
	go func() {
		tick := time.NewTicker(10 * lookEvery)
		defer tick.Stop()
		for {
			n, err := unackedOfAll(servers)
			q.most = max(q.most, n)
			if err != nil {
				q.done <- err
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				q.done <- nil
				return
			}
		}
	}()
	return q
}

// stop ends the watch. Only then may most be read.
func (q *queueWatch) stop() error {
	q.cancel()
	return <-q.done
}

// catchPatience bounds the wait for an empty queue of updates.
const catchPatience = 30 * time.Second

// catchUp waits until no updates wait, and returns how many there were at first, and how long it took.
func (b *bench) catchUp(ctx context.Context, servers []*server) (first int, took time.Duration, err error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	began := time.Now()
	for n := -1; n != 0; {
		if n, err = unackedOfAll(servers); err != nil {
			return first, 0, err
		}
		if took == 0 {
			first = n
		}
		if took = time.Since(began); took > catchPatience {
			return first, took, fmt.Errorf("%d updates wait for the partner after %v", n, catchPatience)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return first, took, ctx.Err()
		}
	}
	return first, took, nil
}

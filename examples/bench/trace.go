//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// exchange is what one client met with, as dhcpload's trace has it.
type exchange struct {
	began    time.Time
	took     time.Duration // until it was served, or given up
	answered bool          // with a DHCPACK
	server   string        // that the client had chosen; "" if it got no offer
}

// readTrace reads a trace of dhcpload, and sorts it by when exchanges began.
func readTrace(file string) ([]exchange, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []exchange
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), ",")
		if len(fields) != 4 {
			return nil, fmt.Errorf("%s:%d: %d fields, want 4", file, n, len(fields))
		}
		if n == 1 {
			continue // the header
		}
		began, err1 := strconv.ParseInt(fields[0], 10, 64)
		took, err2 := strconv.ParseInt(fields[1], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		all = append(all, exchange{time.UnixMicro(began), time.Duration(took) * time.Microsecond, fields[2] == "ack", fields[3]})
	}
	slices.SortFunc(all, func(a, b exchange) int { return a.began.Compare(b.began) })
	return all, lines.Err()
}

// recovered returns how long after event it was until a client began from which on every one was answered, and how many
// of those that began after event were not. It is as exact as clients are close together. The third result is false if
// the last client of all was not answered: then it never was so.
func recovered(all []exchange, event time.Time) (after time.Duration, failed int, ok bool) {
	for _, x := range all {
		switch {
		case x.began.Before(event):
		case !x.answered:
			failed++
			ok = false
		case !ok:
			after, ok = x.began.Sub(event), true
		}
	}
	return after, failed, ok
}

// span is what clients that began in some time met with.
type span struct {
	n, failed            int
	p50, p99, p999, most time.Duration // of those that were served
}

// spanOf looks at the clients that began from one moment on and before another.
func spanOf(all []exchange, from, to time.Time) (s span) {
	var took []time.Duration
	for _, x := range all {
		if x.began.Before(from) || !x.began.Before(to) {
			continue
		}
		if s.n++; x.answered {
			took = append(took, x.took)
		} else {
			s.failed++
		}
	}
	slices.Sort(took)
	quantile := func(q float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[min(int(q*float64(len(took))), len(took)-1)]
	}
	s.p50, s.p99, s.p999, s.most = quantile(0.5), quantile(0.99), quantile(0.999), quantile(1)
	return s
}

// stream is a load that goes on while other things are done.
type stream struct {
	cmd    *exec.Cmd
	file   string
	out    strings.Builder
	stderr strings.Builder
}

// stream starts a load of dhcpload with args against servers, which writes down each exchange.
func (b *bench) stream(ctx context.Context, servers []string, args ...string) (*stream, error) {
	f, err := os.CreateTemp(b.dir, "trace-*.csv")
	if err != nil {
		return nil, err
	}
	s := &stream{file: f.Name()}
	if err := f.Close(); err != nil {
		return nil, err
	}
	args = append(append([]string{"-q", "-json", "-relays", relayAddrs, "-trace", s.file}, args...), servers...)
	s.cmd = b.net.command(ctx, "r", loadCPU, filepath.Join(b.dir, "tandem-dhcpload"), args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.stderr
	return s, s.cmd.Start()
}

// stop ends the stream before its time.
func (s *stream) stop() error { return unix.Kill(s.cmd.Process.Pid, unix.SIGINT) }

// wait waits for the end of the stream and returns what came of it. An address that was given twice is an error: no
// figure of such a server counts.
func (s *stream) wait() ([]exchange, error) {
	err := s.cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 {
		return nil, fmt.Errorf("a server broke its word: %s", s.out.String())
	}
	if err != nil {
		return nil, fmt.Errorf("dhcpload: %w\n%s", err, s.stderr.String())
	}
	var l load
	if err := json.Unmarshal([]byte(s.out.String()), &l); err != nil {
		return nil, err
	}
	return readTrace(s.file)
}

// sleep waits for d, or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

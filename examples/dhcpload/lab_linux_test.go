package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A test against the server of examples/dhcpd in two network namespaces. It is skipped without root, unless
// TANDEM_REQUIRE_LAB=1 says that everything must run.
func TestAgainstTheServer(t *testing.T) {
	if os.Getenv("TANDEM_REQUIRE_LAB") != "1" && (testing.Short() || os.Geteuid() != 0) {
		t.Skip("needs root, and time")
	}
	l := newLab(t)
	l.serve(t)
	for _, c := range []struct {
		name, args string
		check      func(r report) error
	}{
		{"every client of two relays gets an address of its own, and keeps it", "-for 0 -count 2000 -clients 2000 -verify -agent -id", func(r report) error {
			if r.Latency["dora"].Count != 2000 || r.Verified != 2000 {
				return errors.New("not all were served")
			}
			return nil
		}},
		{"an open loop of 500 a second", "-for 2s -rate 500 -clients 2000 -first 10000", func(r report) error {
			if r.Completed < 990 || r.Begun > 1001 {
				return errors.New("not the rate")
			}
			return nil
		}},
		{"renewals", "-for 0 -count 1000 -renew 100 -clients 100 -first 20000", func(r report) error {
			if r.Latency["renewal"].Count < 700 {
				return errors.New("few renewals")
			}
			return nil
		}},
		{"more clients than addresses", "-for 2s -clients 5000 -first 30000 -timeout 100ms", func(r report) error {
			if r.NoOffer == 0 {
				return errors.New("addresses for all")
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, code := l.load(t, c.args)
			if err := c.check(r); err != nil || code != 0 || r.Twice+r.Forgotten+r.Strange > 0 {
				t.Errorf("exit %d, %v: %+v", code, err, r)
			}
		})
	}
}

// A server that is killed again and again while it is asked as fast as it can answer forgets no lease that it gave: not
// one address is given to two clients, and at the end each client gets the address that it was told.
func TestKilledAtFullLoad(t *testing.T) {
	required := os.Getenv("TANDEM_REQUIRE_LAB") == "1"
	if !required && (testing.Short() || os.Geteuid() != 0) {
		t.Skip("needs root, and time")
	}
	kills := 5
	if required {
		kills = 100
	}
	if n, err := strconv.Atoi(os.Getenv("TANDEM_LAB_KILLS")); err == nil {
		kills = n
	}
	l := newLab(t)
	l.prepare(t, configuration("10.1.0.0 10.16.255.255"))
	server := l.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type outcome struct {
		report
		code int
	}
	done := make(chan outcome, 1)
	const each = 300 * time.Millisecond // between two kills, and at the end
	go func() {
		// Half of the clients are new and fill the ledger, half come again and make the file grow until it is rewritten.
		r, code := l.load(t, fmt.Sprintf("-for %v -window 256 -clients 400000 -renew 50 -timeout 250ms -verify", time.Duration(kills)*(each+100*time.Millisecond)))
		done <- outcome{r, code}
		cancel()
	}()
	rng := rand.New(rand.NewPCG(uint64(kills), 1))
	killed := 0
	for ; killed < kills && ctx.Err() == nil; killed++ {
		select {
		case <-time.After(time.Duration(rng.Int64N(int64(each)))): // also while it is just beginning
		case <-ctx.Done():
		}
		server.end(t, unix.SIGKILL)
		server = l.start(t)
	}
	o := <-done
	server.end(t, unix.SIGTERM)
	t.Logf("%d kills: %d exchanges, %d given up, %d verified", killed, o.Completed, o.NoOffer+o.NoAck+o.NoRenewal, o.Verified)
	if o.code != 0 || o.Twice > 0 || o.Forgotten > 0 || o.Verified == 0 || o.Completed < 100*killed {
		t.Errorf("exit code %d: %+v", o.code, o.report)
	}
}

// lab is two namespaces, one for the server and one for the relays, with a cable between them.
type lab struct {
	dir, server, relays string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	prefix := fmt.Sprintf("dhcpload-%d-", os.Getpid())
	l := &lab{dir: t.TempDir(), server: prefix + "s", relays: prefix + "r"}
	for _, ns := range []string{l.server, l.relays} {
		l.command(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { l.command(t, "ip", "netns", "del", ns) })
	}
	l.command(t, "ip", "link", "add", "eth0", "netns", l.server, "type", "veth", "peer", "name", "eth0", "netns", l.relays)
	for ns, addrs := range map[string][]string{l.server: {"10.0.0.1/8"}, l.relays: {"10.0.0.2/8", "10.0.0.3/8"}} {
		for _, a := range addrs {
			l.command(t, "ip", "-n", ns, "addr", "add", a, "dev", "eth0")
		}
		l.command(t, "ip", "-n", ns, "link", "set", "eth0", "up")
	}
	l.command(t, "go", "build", "-o", filepath.Join(l.dir, "dhcpd"), "../dhcpd")
	l.command(t, "go", "build", "-o", filepath.Join(l.dir, "dhcpload"), ".")
	return l
}

// command runs a program that ends by itself.
func (l *lab) command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func configuration(span string) string {
	return `authoritative;
ping-check off;
default-lease-time 36000;
dhcp-cache-threshold 0;
subnet 10.0.0.0 netmask 255.0.0.0 { range ` + span + `; }
`
}

// prepare writes the server's files.
func (l *lab) prepare(t *testing.T, configuration string) {
	t.Helper()
	for name, text := range map[string]string{"conf": configuration, "leases": ""} {
		if err := os.WriteFile(l.file(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

// running is a server.
type running struct {
	cmd   *exec.Cmd
	ready chan bool     // true when it serves, false if it ended before
	ended chan struct{} // closed when it has ended
	log   bytes.Buffer  // what it said until it was ready
}

// start starts the server with the files that are there.
func (l *lab) start(t *testing.T) *running {
	t.Helper()
	r := &running{ready: make(chan bool, 1), ended: make(chan struct{})}
	r.cmd = exec.Command("ip", "netns", "exec", l.server, l.file("dhcpd"), "-d", "-cf", l.file("conf"), "-lf", l.file("leases"), "-pf", l.file("pid"), "eth0")
	out, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		b, said := make([]byte, 1<<16), false
		for {
			n, err := out.Read(b)
			if !said {
				r.log.Write(b[:n])
				if said = bytes.Contains(r.log.Bytes(), []byte("Server starting service")); said || err != nil {
					r.ready <- said
				}
			}
			if err != nil {
				_ = r.cmd.Wait() // whoever ended it knows how
				return
			}
		}
	}()
	select {
	case ok := <-r.ready:
		if !ok {
			t.Fatalf("the server did not start:\n%s", r.log.Bytes())
		}
	case <-time.After(time.Minute):
		t.Fatal("the server does not start")
	}
	return r
}

// end sends the server a signal and waits for its end.
func (r *running) end(t *testing.T, s os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Error(err)
	}
	<-r.ended
}

// serve starts a server that ends with the test.
func (l *lab) serve(t *testing.T) {
	t.Helper()
	l.prepare(t, configuration("10.1.0.0 10.1.15.255"))
	r := l.start(t)
	t.Cleanup(func() {
		r.end(t, unix.SIGTERM)
		if code := r.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the server ended with %d", code)
		}
	})
}

// load runs this program, and returns what it says and its exit code.
func (l *lab) load(t *testing.T, args string) (r report, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ip", append([]string{"netns", "exec", l.relays, filepath.Join(l.dir, "dhcpload"), "-q", "-json",
		"-relays", "10.0.0.2,10.0.0.3"}, append(strings.Fields(args), "10.0.0.1")...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s%s", err, out, stderr.Bytes())
	}
	return r, cmd.ProcessState.ExitCode()
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

const configuration = `
authoritative;
ping-check off;
default-lease-time 3600;
dhcp-cache-threshold 0;
subnet 10.0.0.0 netmask 255.0.0.0 { range 10.1.0.0 10.1.15.255; }
`

// serve starts the server, which ends with the test.
func (l *lab) serve(t *testing.T) {
	t.Helper()
	file := func(name string) string { return filepath.Join(l.dir, name) }
	for name, text := range map[string]string{"conf": configuration, "leases": ""} {
		if err := os.WriteFile(file(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cmd := exec.Command("ip", "netns", "exec", l.server, file("dhcpd"), "-d", "-cf", file("conf"), "-lf", file("leases"), "-pf", file("pid"), "eth0")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(done)
		b, said := make([]byte, 1<<16), false
		for {
			n, err := out.Read(b)
			if !said {
				log.Write(b[:n])
				if said = bytes.Contains(log.Bytes(), []byte("Server starting service")); said || err != nil {
					ready <- said
				}
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Error(err)
		}
		<-done
		if err := cmd.Wait(); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("the server did not start:\n%s", log.Bytes())
		}
	case <-time.After(time.Minute):
		t.Fatal("the server does not start")
	}
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

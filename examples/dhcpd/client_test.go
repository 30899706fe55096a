//go:build linux

package main_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A client is one of the real DHCP clients, in a node of its own.
type client struct {
	lab    *lab
	node   string
	kind   string // dhclient, udhcpc or dhcpcd
	dir    string
	log    *journal // what it wrote
	events *journal // what it told its script
	proc   *process
}

// An event is what a client told its script.
type event struct {
	reason                        string // BOUND, RENEW, REBOOT, NAK, ...
	addr, mask, router, broadcast string
	dns, search                   string // words separated by blanks, as the client has them
	lease                         time.Duration
	server                        netip.Addr
}

// client prepares a real client in a node.
func (l *lab) client(node, kind string) *client {
	l.t.Helper()
	need(l.t, map[string]string{kind: clientTools[kind]})
	c := &client{lab: l, node: node, kind: kind, dir: filepath.Join(l.dir, node)}
	hook, err := filepath.Abs("testdata/hook.sh")
	if err == nil {
		err = os.MkdirAll(c.dir, 0o755)
	}
	if err == nil {
		c.log, err = newJournal(node+" "+kind, filepath.Join(l.dir, node+"-"+kind+".log"))
	}
	if err == nil {
		c.events, err = newJournal(node+" "+kind+"'s script", filepath.Join(l.dir, node+"-events.log"))
	}
	pipe := filepath.Join(c.dir, "events")
	if err == nil {
		err = unix.Mkfifo(pipe, 0o666)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	// Opened for both directions, the pipe does not end when a script does.
	r, err := os.OpenFile(pipe, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { r.Close() })
	go c.events.read(r)
	script := fmt.Sprintf("#!/bin/sh\nexport LAB_CLIENT=%s LAB_EVENTS='%s'\n. '%s'\n", kind, pipe, hook)
	for name, text := range map[string]string{
		"hook.sh":         script,
		"dhclient.leases": "",
		"dhclient.conf": "timeout 60; retry 5; initial-interval 1;\n" +
			"request subnet-mask, broadcast-address, routers, domain-search, domain-name-servers, dhcp-lease-time;\n",
		"dhcpcd.conf": "ipv4only\nclientid\noption subnet_mask, routers, broadcast_address, domain_name_servers, domain_search\nnogateway\n",
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
	return c
}

// dhcpcdScript gives dhcpcd, which keeps its files in fixed places, empty places of its own, then becomes dhcpcd.
const dhcpcdScript = `
mkdir -p /var/lib/dhcpcd
mount -t tmpfs none /var/lib/dhcpcd
mount -t tmpfs none /run
mkdir /run/dhcpcd
exec dhcpcd "$@"
`

// start starts the client. What it had before (dhclient alone has a memory here) it asks for again.
func (c *client) start() {
	c.lab.t.Helper()
	file := func(name string) string { return filepath.Join(c.dir, name) }
	var args []string
	switch c.kind {
	case "dhclient":
		args = []string{"dhclient", "-4", "-d", "-v", "-cf", file("dhclient.conf"), "-lf", file("dhclient.leases"), "-pf", file("dhclient.pid"), "-sf", file("hook.sh"), "eth0"}
	case "udhcpc":
		args = []string{"udhcpc", "-f", "-i", "eth0", "-s", file("hook.sh"), "-t", "5", "-T", "2", "-A", "3", "-O", "search"}
	case "dhcpcd":
		args = []string{"unshare", "--mount", "--propagation", "private", "sh", "-ec", dhcpcdScript, "sh", "-4", "-B", "-d", "-f", file("dhcpcd.conf"), "-c", file("hook.sh"), "eth0"}
	default:
		c.lab.t.Fatalf("no such client: %s", c.kind)
	}
	c.proc = c.lab.startInto(c.log, c.node, args...)
}

// renew makes the client ask for more time now. dhclient has no signal for it: it is killed and started again.
func (c *client) renew() {
	c.lab.t.Helper()
	sig := syscall.SIGUSR1
	switch c.kind {
	case "dhclient":
		c.kill()
		c.start()
		return
	case "dhcpcd":
		// It forgets a signal that comes while it runs the hook script for its lease.
		if _, err := c.log.wait(within(c.lab.t, clientPeriod), 0, regexp.MustCompile("spawned listener").MatchString); err != nil {
			c.lab.t.Fatal(err)
		}
		sig = syscall.SIGHUP
	}
	if err := c.proc.cmd.Process.Signal(sig); err != nil {
		c.lab.t.Fatal(err)
	}
}

// release makes the client give its address back.
func (c *client) release() {
	c.lab.t.Helper()
	switch c.kind {
	case "dhclient":
		file := func(name string) string { return filepath.Join(c.dir, name) }
		p := c.lab.startInto(c.log, c.node, "dhclient", "-4", "-d", "-r", "-v", "-cf", file("dhclient.conf"), "-lf", file("dhclient.leases"), "-pf", file("dhclient.pid"), "-sf", file("hook.sh"), "eth0")
		select {
		case <-p.gone:
		case <-time.After(stopPeriod):
			c.lab.t.Error("dhclient -r does not end")
		}
	case "udhcpc":
		if err := c.proc.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			c.lab.t.Error(err)
		}
	case "dhcpcd":
		if err := c.proc.cmd.Process.Signal(syscall.SIGALRM); err != nil {
			c.lab.t.Error(err)
		}
	}
}

// kill ends the client without a word to the servers.
func (c *client) kill() { c.proc.end(syscall.SIGKILL) }

// wait waits for an event with one of the reasons, from line number `from` of the events on.
func (c *client) wait(t testing.TB, d time.Duration, from int, reasons string) event {
	t.Helper()
	line, err := c.events.wait(within(t, d), from, regexp.MustCompile(`^reason=(`+reasons+`)\t`).MatchString)
	if err != nil {
		said := c.log.since(0)
		t.Fatalf("no event %s: %v\nthe client said:\n  %s", reasons, err, strings.Join(said[max(0, len(said)-12):], "\n  "))
	}
	value := make(map[string]string)
	for _, field := range strings.Split(line, "\t") {
		name, v, _ := strings.Cut(field, "=")
		value[name] = v
	}
	e := event{
		reason: value["reason"], addr: value["address"], mask: value["mask"], router: value["router"], broadcast: value["broadcast"],
		dns: value["dns"], search: strings.TrimSuffix(value["search"], "."), // dhclient writes the root's dot
	}
	if secs, err := strconv.Atoi(value["lease"]); err == nil {
		e.lease = time.Duration(secs) * time.Second
	}
	if a, err := netip.ParseAddr(value["server"]); err == nil {
		e.server = a
	}
	return e
}

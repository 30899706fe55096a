package main

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// startControl serves the socket of one endpoint, which runs with no partner to be found.
func startControl(t *testing.T) string {
	t.Helper()
	book, err := lease.OpenBook(t.Context(), lease.NewMemory(), lease.BookConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(pool.Config{Name: "net", Ranges: []pool.Range{{
		First: netip.MustParseAddr("10.0.10.10"), Last: netip.MustParseAddr("10.0.10.20")}}}, book)
	if err != nil {
		t.Fatal(err)
	}
	book.Observe(p)
	half, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	e, err := failover.NewEndpoint(failover.Config{
		Name: "ha-dhcp", MCLT: time.Hour, HBA: &half, Pools: []*pool.Pool{p},
		Local: netip.MustParseAddrPort("127.0.0.1:0"), Partner: netip.MustParseAddrPort("127.0.0.1:1"),
	}, book, failover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "ctl")
	c, err := listenControl(socket, []*failover.Endpoint{e})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- e.Run(ctx) }()
	go func() { done <- c.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return socket
}

func TestControl(t *testing.T) {
	socket := startControl(t)
	for _, tt := range []struct {
		order string
		code  int
		want  string // a part of the answer
	}{
		{"status", 0, "ha-dhcp primary startup"},
		{"partner-down", 1, "want \"status\", or an order"},
		{"partner-down other", 1, "no such relationship: other"},
		{"explode ha-dhcp", 1, "no such order: explode"},
		{"shutdown ha-dhcp", 1, "order refused"},
		{"partner-down ha-dhcp gently", 1, "force"},
		{strings.Repeat("x", 1000), 1, "at most 256 octets"},
		{"partner-down ha-dhcp", 1, "it does not know yet what was promised"},
		{"partner-down ha-dhcp force", 0, "ok"},
		{"status", 0, "ha-dhcp primary partner-down"},
	} {
		var out, errs bytes.Buffer
		if code := give(socket, tt.order, &out, &errs); code != tt.code || !strings.Contains(out.String()+errs.String(), tt.want) {
			t.Errorf("%.40q: exit code %d and %q %q, want %d and %q", tt.order, code, out.String(), errs.String(), tt.code, tt.want)
		}
	}
	if fi, err := os.Stat(socket); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v: want it for its owner alone", fi, err)
	}
	if _, err := listenControl(socket, nil); err == nil {
		t.Error("a second server takes the socket of a living one")
	}
	file := filepath.Join(t.TempDir(), "leases")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenControl(file, nil); err == nil {
		t.Error("a file is taken for a socket")
	}
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"-6", "only DHCPv4"},
		{"-p 0", "want 1 to 65534"},
		{"-p 70000", "want 1 to 65534"},
		{"-s nowhere", "want an IPv4 address"},
		{"-order status", "needs -ctl"},
		{"-x", "flag provided but not defined"},
	} {
		var errs bytes.Buffer
		if code := run(strings.Fields(tt.args), &errs); code != 2 || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%s: exit code %d and %q, want 2 and %q", tt.args, code, errs.String(), tt.want)
		}
	}
}

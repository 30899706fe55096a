//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One of the pair is killed, and auto-partner-down asks the fence. While that says no the other waits; when it says yes
// it is partner-down, and says why.
func TestAutoPartnerDown(t *testing.T) {
	long(t)
	tandems(t)
	t.Parallel()
	fenced := one
	fenced.peer = "auto-partner-down 2;"
	p := linkPair(t, 0, nil, fenced)
	off := filepath.Join(p.dir, "off")
	for _, s := range []*server{p.primary, p.secondary} {
		s.write("fence", "#!/bin/sh\necho \"asked $*\"\ntest -e "+off+"\n")
		fence := filepath.Join(s.dir, "fence")
		if err := os.Chmod(fence, 0o755); err != nil {
			t.Fatal(err)
		}
		s.args = []string{"-fence", fence}
	}
	p.meet(t)
	p.primary.kill()
	p.secondary.waitState(t, 2*normalPeriod, "communications-interrupted")
	const no = `failover peer one: not partner-down: fence \S+: exit status 1: asked one 10\.0\.10\.251`
	from := p.secondary.log.len()
	p.secondary.waitLog(t, 2*normalPeriod, p.secondary.run, no)
	p.secondary.waitLog(t, 2*normalPeriod, from+1, no)
	if log := strings.Join(p.secondary.log.since(p.secondary.run), "\n"); strings.Contains(log, "to partner-down") {
		t.Fatalf("partner-down against the fence's word:\n%s", log)
	}
	if err := os.WriteFile(off, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p.secondary.waitLog(t, 10*time.Second, p.secondary.run,
		`failover peer one: I move from communications-interrupted to partner-down \(the fence says that the peer is down\)`)
	if got := p.secondary.leases(t).peers["one"].my; got != "partner-down" {
		t.Errorf("on record is %s", got)
	}
	// The one that was killed comes back, and learns what it missed.
	p.primary.start()
	p.normal(t, linkMCLT+30*time.Second)
}

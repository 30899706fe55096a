package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

func TestFence(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, script, says string }{
		{"yes", `[ "$*" = "ha-dhcp 10.0.0.2" ]`, ""},
		{"no", "echo it answers; echo a ping >&2; exit 1", "exit status 1: it answers a ping"},
		{"killed", "kill -9 $$", "signal: killed"},
		{"no answer", "sleep 600 & wait", "no answer within 200ms"},
		{"talks without end", "yes no", "no answer within 200ms: no no no"},
		{"yes, but its child goes on", "sleep 600 & exit 0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-"))
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			err := askFence(t.Context(), 200*time.Millisecond, path, "ha-dhcp", "10.0.0.2")
			switch {
			case c.says == "" && err != nil, c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v, want %q", err, c.says)
			case err != nil && len(err.Error()) > 2*fenceOutput:
				t.Errorf("the error has %d octets", len(err.Error()))
			}
		})
	}
}

func TestFenceIsNeeded(t *testing.T) {
	var o options
	if f, err := o.fenceOf(failover.Config{Name: "a"}); f != nil || err != nil {
		t.Errorf("without auto-partner-down: %v", err)
	}
	if _, err := o.fenceOf(failover.Config{Name: "a", SafePeriod: time.Minute}); err == nil || !strings.Contains(err.Error(), "peer a: auto-partner-down needs -fence") {
		t.Errorf("without a fence: %v", err)
	}
	if err := o.fence.Set("a=/nonexistent/fence"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.fenceOf(failover.Config{Name: "a", SafePeriod: time.Minute}); err == nil || !strings.Contains(err.Error(), "-fence: failover peer a: ") {
		t.Errorf("with a fence that is not there: %v", err)
	}
}

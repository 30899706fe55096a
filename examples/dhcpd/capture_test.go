//go:build linux

package main_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A capture is tcpdump writing every frame that comes to a bridge, once, before it is forwarded: what a cut link drops is
// in it.
type capture struct {
	file string
	proc *process
}

// capture starts a capture on a bridge of the switch, which ends with the lab.
func (l *lab) capture(bridge string) {
	l.t.Helper()
	c := &capture{file: filepath.Join(l.dir, "capture-"+bridge+".pcap")}
	// -U and --immediate-mode: a frame is in the file as soon as it has passed.
	c.proc = l.start("tcpdump-"+bridge, nodeSwitch, "tcpdump", "-Z", "root", "-i", bridge, "-n", "-U", "--immediate-mode", "-s", "0", "-B", "8192", "-w", c.file)
	if _, err := c.proc.log.wait(within(l.t, 10*time.Second), 0, contains("listening on")); err != nil {
		l.t.Fatal(err)
	}
	l.captures = append(l.captures, c)
}

func (c *capture) stop() { c.proc.end(syscall.SIGTERM) }

// stopPeriod is how long a program has to end on SIGTERM.
const stopPeriod = 10 * time.Second

// dissect runs tshark on a capture, with the failover protocol on the seed's port, and returns what it prints: the
// fields of the frames that match the filter.
func (c *capture) dissect(t testing.TB, filter string, fields ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	args := []string{"-r", c.file, "-d", "tcp.port==678,dhcpfo", "-o", "tcp.desegment_tcp_streams:TRUE", "-o", "dhcpfo.desegment:TRUE", "-Y", filter, "-T", "fields"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(ctx, "tshark", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.Bytes())
	}
	return stdout.String()
}

// checkCaptures is the last step of a test of a pair: an independent dissector understands all that the two said to each
// other.
func (l *lab) checkCaptures(t *testing.T) {
	t.Run("tshark finds no malformed message in the capture", func(t *testing.T) {
		frames := 0
		for _, c := range l.captures {
			c.stop()
			if info, err := os.Stat(c.file); err != nil || info.Size() == 0 {
				t.Fatalf("there is no capture %s", c.file)
			}
			frames += strings.Count(c.dissect(t, "dhcpfo", "frame.number"), "\n")
			if bad := c.dissect(t, "_ws.malformed || _ws.expert.severity == error", "frame.number", "frame.protocols", "_ws.expert.message"); bad != "" {
				t.Errorf("%s:\n%s", c.file, bad)
			}
		}
		if frames == 0 {
			t.Error("there is no failover message in the capture at all")
		}
		t.Logf("%d frames with failover messages", frames)
	})
}

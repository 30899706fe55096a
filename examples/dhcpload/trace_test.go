package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// A trace has a line for each exchange, with how it ended; what is asked at the end to verify leases is not in it.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		f, cfg := newFake(), base()
		cfg.Count, cfg.For, cfg.Verify, cfg.Trace = 20, 0, true, &text
		began := time.Now()
		lost := 0
		f.deaf = func(k dhcp4.MessageType) bool { // the first two requests are lost
			if k == dhcp4.MessageTypeRequest && lost < 2 {
				lost++
				return true
			}
			return false
		}
		if r := run1(t, f, cfg); r.DORA.n != 18 || r.NoAck != 2 {
			t.Fatalf("%d complete, %d without ack", r.DORA.n, r.NoAck)
		}
		header, rest, _ := strings.Cut(text.String(), "\n")
		if header+"\n" != traceHeader {
			t.Errorf("header %q", header)
		}
		count := map[string]int{}
		for line := range strings.Lines(rest) {
			fields := strings.Split(strings.TrimSpace(line), ",")
			if len(fields) != 4 || fields[3] != "0.0.0.1" || len(fields[0]) != len("946684800000000") {
				t.Fatalf("%q, begun at %v", line, began)
			}
			count[fields[2]]++
			if took := fields[1]; (fields[2] == "no-ack") != (took == "1000000") {
				t.Errorf("%q", line)
			}
		}
		if count["ack"] != 18 || count["no-ack"] != 2 || len(count) != 2 {
			t.Errorf("%v", count)
		}
	})
}

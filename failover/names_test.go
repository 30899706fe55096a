package failover

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestStates(t *testing.T) {
	names := map[State]string{0: "unknown-state", 1: "startup", 2: "normal", 3: "communications-interrupted", 4: "partner-down",
		5: "potential-conflict", 6: "recover", 7: "paused", 8: "shutdown", 9: "recover-done", 10: "resolution-interrupted",
		11: "conflict-done", 254: "recover-wait"}
	for i := range 256 {
		s := State(i)
		name, known := names[s]
		if known && s.String() != name || !known && s.String() != fmt.Sprintf("State(%d)", i) {
			t.Errorf("state %d is called %q", i, s)
		}
		if got, ok := ParseState(s.String()); ok != known || known && got != s {
			t.Errorf("ParseState(%q) is %d, %v", s, got, ok)
		}
		if want := known && i != 0; s.Valid() != want {
			t.Errorf("%v.Valid() is %v", s, s.Valid())
		}
		if want := known && i > 1; s.sendable() != want {
			t.Errorf("%v.sendable() is %v", s, s.sendable())
		}
	}
}

func TestReasons(t *testing.T) {
	for i := range 256 {
		r := RejectReason(i)
		known := i >= 1 && i <= 21 || i == 254
		if known == strings.HasPrefix(r.String(), "RejectReason(") {
			t.Errorf("reason %d is called %q", i, r.String())
		}
	}
	err := fmt.Errorf("wrapped: %w", RejectOutdated)
	if !errors.Is(err, RejectOutdated) || errors.Is(err, RejectLessCritical) {
		t.Errorf("errors.Is is wrong about %v", err)
	}
	if got, want := RejectOutdated.Error(), "failover: rejected: outdated binding information"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNames(t *testing.T) {
	for i := range 256 {
		known := i >= 1 && i <= 12
		if m := MessageType(i); known == strings.HasPrefix(m.String(), "MessageType(") || m.Valid() != known {
			t.Errorf("message type %d is called %q, valid %v", i, m, m.Valid())
		}
		if c := OptionCode(i); (i >= 1 && i <= 29) == strings.HasPrefix(c.String(), "OptionCode(") {
			t.Errorf("option %d is called %q", i, c)
		}
	}
}

func TestString(t *testing.T) {
	f := decode(t, octets(t, `00 44 03 0c 6b 02 db 46 00 00 00 f7 00 02 00 04 0a 00 0a 81 00 03 00 01 02
		00 05 00 07 01 b6 ec 57 bf 93 3c 00 0d 00 04 6b 02 db 82 00 12 00 04 7f ff ff ff 00 19 00 04 6b 02 db 46
		00 06 00 04 6b 02 db 46`))
	const want = "BNDUPD xid=247 10.0.10.129 ACTIVE client=b6:ec:57:bf:93:3c expiry=2026-11-22T12:09:38Z " +
		"potential=2038-01-19T03:14:07Z since=2026-11-22T12:08:38Z last=2026-11-22T12:08:38Z"
	if got := f.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := new(Frame).String(); got != "no message" {
		t.Errorf("the zero Frame is %q", got)
	}
	spans := map[time.Duration]string{0: "0s", time.Hour: "1h", 72*time.Hour + 30*time.Minute: "72h30m", time.Minute: "1m",
		time.Hour + 5*time.Second: "1h0m5s", 10 * time.Second: "10s", -20 * time.Minute: "-20m"}
	for d, want := range spans {
		if got := span(d); got != want {
			t.Errorf("span(%v) is %q, want %q", d, got, want)
		}
	}
}

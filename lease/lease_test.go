package lease

import (
	"testing"
	"time"
)

func TestStatusNames(t *testing.T) {
	for s := Free; s <= Backup; s++ {
		if got, ok := ParseStatus(s.String()); !ok || got != s {
			t.Errorf("%v is read back as %v, %v", s, got, ok)
		}
	}
	if _, ok := ParseStatus("leased"); ok {
		t.Error(`"leased" is a status`)
	}
	if got := Status(9).String(); got != "Status(9)" {
		t.Errorf("got %q", got)
	}
}

func TestClientIs(t *testing.T) {
	hw := Client{HW: "\x01abcdef"}
	id := Client{ID: "\x01x", HW: "\x01abcdef"}
	for _, tt := range []struct {
		name string
		c, d Client
		want bool
	}{
		{"same hardware address, no identifier", hw, hw, true},
		{"identifier once and none later", id, hw, false},
		{"same identifier, other hardware", id, Client{ID: "\x01x", HW: "\x01uvwxyz"}, true},
		{"other identifier, same hardware", id, Client{ID: "\x01y", HW: id.HW}, false},
		{"nobody is nobody", Client{}, Client{}, false},
		{"another hardware type", hw, Client{HW: "\x06abcdef"}, false},
	} {
		if got := tt.c.Is(tt.d); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := tt.d.Is(tt.c); got != tt.want {
			t.Errorf("%s, turned round: %v", tt.name, got)
		}
		if tt.want && tt.c.Key(1) != tt.d.Key(1) {
			t.Errorf("%s: two keys", tt.name)
		}
	}
	if got := hw.STID(); got != "abcdef" {
		t.Errorf("STID %q: the hardware type is not hashed", got)
	}
	if got := id.STID(); got != "\x01x" {
		t.Errorf("STID %q", got)
	}
	if got := (Client{HW: MakeHWAddr(1, []byte{8, 0, 0x27, 0xd9, 0x45, 0x96})}).String(); got != "08:00:27:d9:45:96" {
		t.Errorf("got %s", got)
	}
}

func TestTimes(t *testing.T) {
	local := time.Date(2026, 11, 22, 13, 8, 30, 999, time.FixedZone("", 3600))
	if got := Second(local); got != FromUnix(1795349310) {
		t.Errorf("got %v", got)
	}
	if !Second(time.Time{}).IsZero() || ToUnix(time.Time{}) != 0 || !FromUnix(0).IsZero() {
		t.Error("never does not stay never")
	}
	l := held(1, someone(1))
	l.AckedPotentialExpiry = t0.Add(3 * time.Hour)
	l.ReceivedPotentialExpiry = t0.Add(4 * time.Hour)
	if got := l.KnownExpiry(); got != t0.Add(4*time.Hour) {
		t.Errorf("known %v", got)
	}
	l.Expiry = t0.Add(5 * time.Hour)
	if got := l.LatestPromise(); got != l.Expiry {
		t.Errorf("latest promise %v", got)
	}
}

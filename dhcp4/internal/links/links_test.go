package links

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	one = netip.MustParseAddr("10.0.0.1")
	two = netip.MustParseAddr("10.0.0.2")
	now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func TestTable(t *testing.T) {
	table := NewTable([]Link{{Index: 2, Name: "eth0", Addr: one}, {Index: 3, Name: "eth1"}}, two)
	if l, ok := table.Index(2); !ok || l.Name != "eth0" {
		t.Errorf("2 is %+v, %v", l, ok)
	}
	if l, ok := table.Name("eth1"); !ok || l.Index != 3 {
		t.Errorf("eth1 is %+v, %v", l, ok)
	}
	if _, ok := table.Index(1); ok {
		t.Error("1 is there")
	}
	if !table.Local(one) || !table.Local(two) || table.Local(netip.Addr{}) {
		t.Error("want 10.0.0.1 and 10.0.0.2 to be local, and no other")
	}
	if ls, err := table.Resolve([]string{"eth1", "eth0"}); err != nil || ls[0].Index != 3 || ls[1].Index != 2 {
		t.Errorf("got %v, %v", ls, err)
	}
	if _, err := table.Resolve([]string{"eth0", "eth9"}); err == nil || !strings.Contains(err.Error(), `no interface "eth9", there are ["eth0" "eth1"]`) {
		t.Errorf("got %v", err)
	}
}

func TestLoad(t *testing.T) {
	table, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if !table.Local(netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("127.0.0.1 is not local: %+v", table)
	}
	again, err := Load()
	if err != nil || !table.Equal(again) {
		t.Errorf("got %+v, then %+v (%v)", table, again, err)
	}
}

func TestWatch(t *testing.T) {
	first, second := NewTable(nil), NewTable(nil, one)
	var next *Table
	var trouble error
	loads := 0
	w, err := NewWatch(now, func() (*Table, error) {
		loads++
		if next == nil {
			return first, trouble
		}
		return next, trouble
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name  string
		at    time.Duration
		get   func(time.Time) *Table
		next  *Table
		err   error
		want  *Table
		loads int
	}{
		{"fresh", maxAge - 1, w.Table, second, nil, first, 1},
		{"old, and the kernel has no answer", maxAge, w.Table, second, errors.New("no buffer space"), first, 2},
		{"asked just now", maxAge + 1, w.Table, second, nil, first, 2},
		{"something is missing, asked just now", maxAge + missAge - 1, w.Again, second, nil, first, 2},
		{"something is missing", maxAge + missAge, w.Again, second, nil, second, 3},
		{"old, and nothing has changed", 3 * maxAge, w.Table, NewTable(nil, one), nil, second, 4},
	} {
		next, trouble = step.next, step.err
		if got := step.get(now.Add(step.at)); got != step.want || loads != step.loads {
			t.Errorf("%s: got %p after %d loads, want %p after %d", step.name, got, loads, step.want, step.loads)
		}
	}
	trouble = errors.New("none")
	if _, err := NewWatch(now, func() (*Table, error) { return nil, trouble }); !errors.Is(err, trouble) {
		t.Errorf("got %v", err)
	}
}

package dora

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

func TestLeaseTime(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name  string
		s     Settings
		wish  time.Duration
		asked bool
		want  time.Duration
	}{
		{"nothing set, nothing asked: half a day", Settings{}, 0, false, DefaultLease},
		{"nothing set, a wish within bounds", Settings{}, 1000 * s, true, 1000 * s},
		{"nothing set, too long a wish", Settings{}, 100 * time.Hour, true, DefaultMaxLease},
		{"nothing set, too short a wish", Settings{}, 10 * s, true, DefaultMinLease},
		{"a wish of zero is one", Settings{}, 0, true, DefaultMinLease},
		{"the default is bounded, too", Settings{DefaultLease: 900 * s, MaxLease: 600 * s}, 0, false, 600 * s},
		{"a short maximum lowers the minimum", Settings{DefaultLease: 40 * s, MaxLease: 40 * s}, 10 * s, true, 40 * s},
		{"a minimum is kept above the maximum", Settings{MinLease: 60 * s, MaxLease: 40 * s}, 0, false, 60 * s},
		{"for ever is bounded", Settings{}, Infinite, true, DefaultMaxLease},
		{"for ever, if it may be", Settings{MaxLease: Infinite}, Infinite, true, Infinite},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.s.leaseTime(tt.wish, tt.asked); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEndOf(t *testing.T) {
	late := time.Unix(0xffff0000, 0).UTC()
	tests := []struct {
		name string
		now  time.Time
		d    time.Duration
		want time.Time
	}{
		{"an hour", start, time.Hour, start.Add(time.Hour)},
		{"for ever", start, Infinite, lease.Never},
		{"for ever, after the end of 31 bits", lease.Never.Add(time.Hour), Infinite, lastSecond},
		{"beyond the ledger", late, 240 * time.Hour, lastSecond},
	}
	for _, tt := range tests {
		if got := endOf(tt.now, tt.d); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestFresh(t *testing.T) {
	end := start.Add(600 * time.Second)
	tests := []struct {
		name      string
		threshold int
		age       time.Duration
		given     time.Time
		want      bool
	}{
		{"just given", 0, 0, start, true},
		{"at a quarter", 0, 150 * time.Second, start, true},
		{"after a quarter", 0, 151 * time.Second, start, false},
		{"at half, where that is the threshold", 50, 300 * time.Second, start, true},
		{"just given, but no threshold", -1, 0, start, false},
		{"nobody knows when it was given", 0, 0, time.Time{}, false},
		{"given in the future, by a clock that was wrong", 0, -time.Second, start, false},
	}
	for _, tt := range tests {
		s := Settings{CacheThreshold: tt.threshold}
		if got := s.fresh(start.Add(tt.age), tt.given, end); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestRoundUp(t *testing.T) {
	for _, tt := range []struct{ in, want time.Time }{
		{start, start},
		{start.Add(1), start.Add(time.Second)},
		{start.Add(999 * time.Millisecond), start.Add(time.Second)},
	} {
		if got := roundUp(tt.in); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.in, got, tt.want)
		}
	}
}

// Over must look at every field.
func TestOverHasEveryField(t *testing.T) {
	var full Settings
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i).Addr().Interface().(type) {
		case *time.Duration:
			*f = time.Duration(i+1) * time.Second
		case *int:
			*f = i + 1
		case *Toggle:
			*f = Off
		case *netip.Addr:
			*f = serverAddr
		case *string:
			*f = "x"
		case *[]Option:
			*f = []Option{{dhcp4.OptionRouter, "1234"}}
		default:
			t.Fatalf("field %s has a type this test does not know", v.Type().Field(i).Name)
		}
	}
	if got := (Settings{}).Over(full); !reflect.DeepEqual(got, full) {
		t.Errorf("an empty scope hides something:\n got %+v\nwant %+v", got, full)
	}
	if got := full.Over(Settings{}); !reflect.DeepEqual(got, full) {
		t.Errorf("an inner scope loses something:\n got %+v\nwant %+v", got, full)
	}
}

func TestMergeOptions(t *testing.T) {
	inner := []Option{{6, "inner"}, {3, "first"}, {3, "second"}}
	outer := []Option{{6, "outer"}, {1, "mask"}}
	want := []Option{{1, "mask"}, {3, "second"}, {6, "inner"}}
	if got := mergeOptions(inner, outer); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !reflect.DeepEqual(inner, []Option{{6, "inner"}, {3, "first"}, {3, "second"}}) {
		t.Errorf("the scope itself was changed: %v", inner)
	}
}

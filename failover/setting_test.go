package failover

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// withRange replaces the pool of a Config by one of that range.
func withRange(t *testing.T, first, last string) func(*Config) {
	t.Helper()
	return func(c *Config) {
		book, err := lease.OpenBook(t.Context(), lease.NewMemory(), lease.BookConfig{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := pool.New(pool.Config{Name: "net", Ranges: []pool.Range{{
			First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}}}, book)
		if err != nil {
			t.Fatal(err)
		}
		c.Pools = []*pool.Pool{p}
	}
}

func TestDifferencesAreNamed(t *testing.T) {
	lease := func(v string) []Setting {
		return []Setting{{"default-lease-time of net", v}, {"max-lease-time of net", "600"}}
	}
	for _, tc := range []struct {
		name               string
		primary, secondary func(*Config)
		want               []Difference // as the primary sees them
	}{
		{name: "none"},
		{name: "a range", secondary: withRange(t, "10.0.10.10", "10.0.10.249"), want: []Difference{
			{"addresses of net", "241", "240"},
			{"ranges of net", "10.0.10.10-10.0.10.250", "10.0.10.10-10.0.10.249"},
		}},
		{name: "a lease time", primary: func(c *Config) { c.Shared = lease("600") }, secondary: func(c *Config) { c.Shared = lease("60") },
			want: []Difference{{"default-lease-time of net", "600", "60"}}},
		{name: "a setting that one has", primary: func(c *Config) { c.Shared = lease("600")[:1] }, want: []Difference{{"default-lease-time of net", "600", ""}}},
		{name: "load balance", secondary: func(c *Config) { c.MaxSecs = 5 }, want: []Difference{{"load balance max seconds", "3", "5"}}},
		{name: "one does not compare", primary: func(c *Config) { c.NoConfigDigest = true }, secondary: func(c *Config) { c.MaxSecs = 5 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				p := startNode(t, Primary, pipeTransport{w, 0}, tc.primary)
				s := startNode(t, Secondary, pipeTransport{w, 1}, tc.secondary)
				time.Sleep(20 * time.Second) // of the bubble
				p.want(t, Normal)
				s.want(t, Normal)
				if got := p.differences(); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got  %v\nwant %v", got, tc.want)
				}
				for i, n := range []*server{p, s} {
					text := "the peer's configuration differs: "
					for j, d := range tc.want {
						if i == 1 {
							d.Here, d.AtPeer = d.AtPeer, d.Here
						}
						if j > 0 {
							text += "; "
						}
						text += d.String()
					}
					if got := n.said(text); got != (tc.want != nil) {
						t.Errorf("%v: says %q: %v", n.cfg.Role, text, got)
					}
				}
			})
		})
	}
}

// TestSettingsStayHome wants none of it in what an ISC dhcpd is sent.
func TestSettingsStayHome(t *testing.T) {
	_, p, _ := normal(t, 20)
	for vendor, want := range map[string]bool{"isc-4.4.3-P1": false, "": false, vendorClass: true, "tandem-2": true} {
		p.machine.disconnected(start, errors.New("cut"))
		e := p.machine.Step(start, Connected{Session{MaxUnacked: 1, ReceiveTimer: time.Minute, VendorClass: vendor}})
		p.machine.Settle(nil)
		if got := e.Send[0].Vendor != ""; got != want {
			t.Errorf("%q is told of the configuration: %v", vendor, got)
		}
		for _, f := range e.Send[1:] {
			if f.Vendor != "" {
				t.Errorf("%v repeats it", f.Body.Type())
			}
		}
	}
}

// TestSettingsAreBounded has more than fit into a message.
func TestSettingsAreBounded(t *testing.T) {
	many := func(n int, last string) Config {
		var c Config
		for i := range n {
			c.Shared = append(c.Shared, Setting{fmt.Sprintf("number %05d", i), "v"})
		}
		c.Shared = append(c.Shared, Setting{"number last", last}, Setting{strings.Repeat("n", 500), strings.Repeat("v", 500)})
		return c
	}
	for n := range 200 {
		list := bounded(many(n, "x").settings())
		f := &Frame{Time: start, XID: 1, Body: &StateReport{State: Normal}, Vendor: encodeSettings(list)}
		if len(f.Vendor) > maxSettings {
			t.Errorf("%d settings are %d octets", n, len(f.Vendor))
		}
		encode(t, f)
		again, err := decodeSettings(f.Vendor)
		if err != nil || !reflect.DeepEqual(again, list) {
			t.Fatalf("%d settings: got %v, %v", n, again, err)
		}
		if d := compare(list, bounded(many(n, "x").settings())); d != nil {
			t.Errorf("%d settings differ from themselves: %v", n, d)
		}
		if d := compare(list, bounded(many(n, "y").settings())); len(d) != 1 || d[0].Name != "number last" && d[0].Name != restName {
			t.Errorf("%d settings: a difference is %v", n, d)
		}
	}
}

func FuzzDecodeSettings(f *testing.F) {
	f.Add("")
	f.Add("\x00\x01\x00\x03\x01ab")
	f.Add("\x00\x02\x00\x01x\x00\x01\x00\x03\x02ab")
	f.Add("\x00\x01\x00\x00")
	f.Add("\x00\x01\x00\x02\x02a")
	f.Add("\x00\x01\x00\x09\x02a")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := decodeSettings(s)
		if err != nil {
			return
		}
		if again, err := decodeSettings(encodeSettings(list)); err != nil || !reflect.DeepEqual(again, list) {
			t.Errorf("%q: %v, again %v, %v", s, list, again, err)
		}
	})
}

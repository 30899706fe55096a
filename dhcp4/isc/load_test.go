package isc

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// seed returns the files of a seed configuration where its include statement looks for them.
func seed(t testing.TB, side, shared string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for name, from := range map[string]string{
		"etc/dhcpd.conf":                  filepath.Join("testdata/seed", side, "dhcpd.conf"),
		"usr/local/etc/dhcpd.conf.SHARED": filepath.Join("testdata/seed", shared),
	} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	return files
}

// TestSeed reads a pair of configurations that are in use, and looks at all that is in them.
func TestSeed(t *testing.T) {
	half, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr
	for _, side := range []string{"primary", "secondary"} {
		c, err := Load(seed(t, side, "dhcpd.conf.SHARED.with-host"), "/etc/dhcpd.conf", LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := Peer{
			Pos: Pos{"/etc/dhcpd.conf", 2, 15}, Name: "ha-dhcp", Address: a("10.0.10.251"), Port: 678,
			PartnerAddresses: []netip.Addr{a("10.0.10.252")}, PartnerPort: 678, MaxResponseDelay: time.Minute, MaxUnackedUpdates: 10,
			MCLT: time.Hour, HBA: half, LoadBalanceMaxSeconds: 3, MaxLeaseMisbalance: 15, MaxLeaseOwnership: 10,
			MinBalance: time.Minute, MaxBalance: time.Hour,
		}
		if side == "secondary" {
			want.Secondary, want.HBA = true, pool.HBA{}
			want.Address, want.PartnerAddresses = want.PartnerAddresses[0], []netip.Addr{want.Address}
			if len(c.Warnings) == 0 || !strings.Contains(c.Warnings[0].Msg, "mclt has no effect on a secondary") {
				t.Errorf("warnings: %v", c.Warnings)
			}
		}
		if got := c.Peers[0]; !reflect.DeepEqual(got, want) {
			t.Errorf("peer:\n got %+v\nwant %+v", got, want)
		}
		if len(c.Networks) != 1 || len(c.Networks[0].Pools) != 1 || len(c.Hosts) != 1 {
			t.Fatalf("%d networks, %d hosts", len(c.Networks), len(c.Hosts))
		}
		n := c.Networks[0]
		if n.Name != "10.0.10.0/24" || !n.Lone || n.Subnets[0].Prefix != netip.MustParsePrefix("10.0.10.0/24") {
			t.Errorf("network %s lone %v, subnet %v", n.Name, n.Lone, n.Subnets[0].Prefix)
		}
		p := n.Pools[0]
		wantRange := Range{Pos: Pos{"/usr/local/etc/dhcpd.conf.SHARED", 21, 5}, First: a("10.0.10.10"), Last: a("10.0.10.250")}
		if p.Peer != "ha-dhcp" || len(p.Ranges) != 1 || p.Ranges[0] != wantRange {
			t.Errorf("pool of peer %s with %+v", p.Peer, p.Ranges)
		}
		if got := p.All.DefaultLeaseTime.Value; got != 604800*time.Second || p.Own.DefaultLeaseTime.IsSet() {
			t.Errorf("default-lease-time of the pool is %v, own %v", got, p.Own.DefaultLeaseTime.IsSet())
		}
		var options []string
		for _, o := range n.Own.Options {
			options = append(options, fmt.Sprintf("%s(%d)=%s", o.Name, uint8(o.Code), hex.EncodeToString([]byte(o.Value))))
		}
		wantOptions := []string{
			"routers(3)=0a000afe", "broadcast-address(28)=0a000aff", "subnet-mask(1)=ffffff00",
			"domain-search(119)=06646f6d61696e03636f6d00", "domain-name-servers(6)=0101010109090909",
		}
		if !slices.Equal(options, wantOptions) {
			t.Errorf("options:\n got %v\nwant %v", options, wantOptions)
		}
		h := c.Hosts[0]
		if h.Name != "DHCPc" || h.HW != lease.MakeHWAddr(1, []byte{8, 0, 0x27, 0xd9, 0x45, 0x96}) || !slices.Equal(h.Fixed, []netip.Addr{a("10.0.10.9")}) {
			t.Errorf("host %+v", h)
		}
		if _, ok := h.All.Option(dhcp4.OptionRouter); ok {
			t.Error("the host has the routers of the subnet that it is declared in")
		}
	}
}

// TestRecorded reads the configurations of the recorded scenarios, where they are at hand.
func TestRecorded(t *testing.T) {
	confs, err := filepath.Glob("../../../shared/fixtures/*/s?.conf")
	if err != nil || len(confs) == 0 {
		t.Skip("the recordings are not at hand")
	}
	for _, conf := range confs {
		files := fstest.MapFS{}
		for name, from := range map[string]string{"dhcpd.conf": conf, "dhcpd.conf.SHARED": filepath.Join(filepath.Dir(conf), "shared.conf")} {
			b, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = &fstest.MapFile{Data: b}
		}
		_, err := Load(files, "dhcpd.conf", LoadOptions{})
		// The two servers of this one had different names for each other; the file that they share is recorded once.
		if strings.HasSuffix(conf, "h-name-mismatch/s1.conf") {
			if err == nil || !strings.Contains(err.Error(), "failover peer other-name: not found") {
				t.Errorf("%s: %v", conf, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", conf, err)
		}
	}
}

// TestTokens leaves out, doubles, and inserts each token of a seed configuration: an error or a Config, never a panic, and an
// error has a place.
func TestTokens(t *testing.T) {
	inserted := []string{";", "{", "}", `"x"`, "0", "-1", "x", ".", ",", ":", "=", "failover", "range", "option", "10.0.10.5", "#", "\"", "include"}
	for _, side := range []string{"primary", "secondary"} {
		files := seed(t, side, "dhcpd.conf.SHARED.with-host")
		for name, file := range files {
			text := string(file.Data)
			var prob problems
			var at []int // where tokens begin
			for l := newLexer(name, text, &prob); ; {
				k := l.next()
				if k.kind == tokenEnd {
					break
				}
				at = append(at, offset(text, k.pos))
			}
			accepted := 0
			try := func(changed string) {
				again := fstest.MapFS{}
				for n, f := range files {
					again[n] = f
				}
				again[name] = &fstest.MapFile{Data: []byte(changed)}
				c, err := Load(again, "etc/dhcpd.conf", LoadOptions{})
				if err == nil {
					accepted++
					return
				}
				if c != nil {
					t.Errorf("%s\na Config and an error", changed)
				}
				for _, e := range all(err) {
					if e.Line < 1 || e.Col < 1 || e.File == "" || e.Msg == "" {
						t.Errorf("%s\nan error without a place: %v", changed, e)
					}
				}
			}
			for i, from := range at {
				to := len(text)
				if i+1 < len(at) {
					to = at[i+1]
				}
				try(text[:from] + text[to:])
				try(text[:from] + text[from:to] + " " + text[from:])
				for _, s := range inserted {
					try(text[:from] + s + " " + text[from:])
				}
			}
			t.Logf("%s %s: %d of %d changes accepted", side, name, accepted, len(at)*(2+len(inserted)))
		}
	}
}

// offset is where a place is in a text.
func offset(text string, p Pos) int {
	at := 0
	for line := 1; line < p.Line; line++ {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	return at + p.Col - 1
}

// all returns the errors that are joined in err, except for the note that there are more.
func all(err error) []*Error {
	var list []*Error
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		if one := new(Error); errors.As(e, &one) {
			list = append(list, one)
		}
	}
	return list
}

func TestInclude(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		err   string // the first; "" if there is none
	}{
		{"in every scope", map[string]string{
			"x": `include "n"; include "/abs";`, "n": `subnet 10.0.0.0 netmask 255.0.0.0 { include "r"; }`, "r": "pool { include \"p\"; }", "p": "range 10.0.0.1;",
			"abs": `host a { include "dir/h"; }`, "dir/h": "hardware ethernet 1:2:3:4:5:6;",
		}, ""},
		{"the same file twice", map[string]string{"x": `group { include "y"; } group { include "y"; }`, "y": "default-lease-time 1;"}, ""},
		{"an error in it", map[string]string{"x": `include "y";`, "y": "\n foo;"}, "y:2:2: expecting a parameter or declaration"},
		{"no such file", map[string]string{"x": ` include "y";`}, "x:1:10: Can't open y: file does not exist"},
		{"a file outside", map[string]string{"x": `include "../y";`}, "x:1:9: Can't open ../y: file does not exist"},
		{"no name", map[string]string{"x": `include;`}, "x:1:1: filename string expected."},
		{"a name without quotes", map[string]string{"x": `include y;`}, "x:1:1: filename string expected."},
		{"two names", map[string]string{"x": `include "y" "z";`}, "x:1:13: semicolon expected."},
		{"a file that includes itself", map[string]string{"x": `include "x";`}, "x:1:9: x: includes itself, by way of x"},
		{"files that include each other", map[string]string{"x": `include "y";`, "y": `include "x";`}, "y:1:9: x: includes itself, by way of x, y"},
		{"a file that includes itself by another name", map[string]string{"x": `include "./x";`}, ""},
		{"a block that goes on in another file", map[string]string{"x": `group { include "y"; `, "y": "}"}, "y:1:1: expecting a parameter or declaration"},
		{"a block that is not closed", map[string]string{"x": `include "y"; }`, "y": "group {"}, "y:1:8: unexpected end of file"},
	}
	// Names that differ are not seen through, but the depth has a bound.
	tests[10].files["x"] = `include "./x"; include ".//x";`
	tests[10].err = "./x:1:9: ./x: includes itself, by way of x, ./x"
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, text := range tc.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			_, err := Load(files, "x", LoadOptions{})
			switch {
			case tc.err == "" && err != nil:
				t.Error(err)
			case tc.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.err)):
				t.Errorf("got %v, want %s", err, tc.err)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load(nil, filepath.Join(t.TempDir(), "dhcpd.conf"), LoadOptions{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestOperatingSystem reads from disk, where the names in an include start from the working directory.
func TestOperatingSystem(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"dhcpd.conf": `include "dhcpd.conf.SHARED";`, "dhcpd.conf.SHARED": "default-lease-time 60;"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(nil, "dhcpd.conf", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Scope.Own.DefaultLeaseTime; got.Value != time.Minute || got.Pos.File != "dhcpd.conf.SHARED" {
		t.Errorf("default-lease-time %v at %v", got.Value, got.Pos)
	}
}

func TestBounds(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("group {", n) + strings.Repeat("}", n) }
	chain := fstest.MapFS{}
	for i := range maxIncludes + 1 {
		chain[fmt.Sprint(i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "include %q;", fmt.Sprint(i+1))}
	}
	bomb := fstest.MapFS{}
	for i := range maxIncludes - 2 {
		bomb[fmt.Sprint(i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "include %q; include %q;", fmt.Sprint(i+1), fmt.Sprint(i+1))}
	}
	bomb[fmt.Sprint(maxIncludes-2)] = &fstest.MapFile{}
	one := func(text string) fstest.MapFS { return fstest.MapFS{"0": {Data: []byte(text)}} }
	for _, tc := range []struct {
		name  string
		files fstest.MapFS
		err   string
	}{
		{"blocks as deep as allowed", one(deep(maxNesting)), ""},
		{"a block too deep", one(deep(maxNesting + 1)), "more than 64 blocks within each other"},
		{"blocks without end", one(strings.Repeat("group {", 1<<16)), "more than 64 blocks within each other"},
		{"includes too deep", chain, "more than 16 files are open"},
		{"includes too many", bomb, "more than 1000 files are included"},
		{"a file too large", one(strings.Repeat(" ", maxOctets+1)), "all files together have more than 67108864 octets"},
		{"errors too many", one(strings.Repeat("foo;", 1000)), "more than 99 errors"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(tc.files, "0", LoadOptions{})
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("got %v, want %s", err, tc.err)
			}
			if err != nil && len(all(err)) > maxProblems {
				t.Errorf("%d errors", len(all(err)))
			}
		})
	}
}

// TestAllErrors checks that one mistake does not hide the next.
func TestAllErrors(t *testing.T) {
	_, err := load(t, "foo;\nsubnet 10.0.0.0 netmask 255.255.255.0 {\n bar 1;\n option baz 2;\n range 10.0.1.1;\n max-lease-time x;\n}\nfailover peer \"f\" { split 300; }\n", LoadOptions{})
	want := []string{"x:1:1", "x:3:2", "x:4:9", "x:5:2", "x:6:17", "x:8:21", "x:8:15", "x:8:15", "x:8:15", "x:8:15"}
	var got []string
	for _, e := range all(err) {
		got = append(got, e.Pos.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v\n%v", got, want, err)
	}
}

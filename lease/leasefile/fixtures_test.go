package leasefile_test

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
)

// slowRead is a slow twin of the reader, for files that are exactly as ISC dhcpd writes them: one statement a line, and
// no more than what stands in the files of its pairs.
func slowRead(t *testing.T, text string) (map[netip.Addr]lease.Lease, map[string]lease.Peer) {
	t.Helper()
	leases, peers := map[netip.Addr]lease.Lease{}, map[string]lease.Peer{}
	date := func(s string) time.Time {
		if s == "never" {
			return lease.Never
		}
		at, err := time.Parse("2006/01/02 15:04:05", s[2:])
		if err != nil {
			t.Fatal(err)
		}
		if at.Year() >= 2038 {
			return lease.Never
		}
		return at.UTC()
	}
	quoted := func(s string) string {
		v, err := strconv.Unquote(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	octets := func(s string) (v string) {
		for _, o := range strings.Split(s, ":") {
			n, err := strconv.ParseUint(o, 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			v += string([]byte{byte(n)})
		}
		return v
	}
	states := map[string]uint8{
		"unknown-state": 0, "normal": 2, "communications-interrupted": 3, "partner-down": 4, "potential-conflict": 5,
		"recover": 6, "paused": 7, "shutdown": 8, "recover-done": 9, "conflict-done": 11, "recover-wait": 254,
	}
	for _, block := range strings.Split(text, "\n}\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		for len(lines) > 0 && !strings.HasSuffix(lines[0], "{") {
			lines = lines[1:] // the header, server-duid
		}
		if len(lines) == 0 {
			continue
		}
		said := map[string]string{}
		for _, line := range lines[1:] {
			line = strings.TrimSuffix(strings.TrimSpace(line), ";")
			for _, word := range []string{
				"starts", "ends", "tstp", "tsfp", "atsfp", "cltt", "binding state", "rewind binding state", "reserved",
				"dynamic-bootp", "hardware ethernet", "uid", "set vendor-class-identifier =", "option agent.circuit-id",
				"option agent.remote-id", "my state", "partner state", "mclt", "next binding state",
			} {
				if rest, ok := strings.CutPrefix(line, word); ok {
					said[word] = strings.TrimSpace(rest)
					line = ""
					break
				}
			}
			if line != "" {
				t.Fatalf("the slow twin does not know %q", line)
			}
		}
		if name, ok := strings.CutPrefix(lines[0], "failover peer "); ok {
			p := lease.Peer{Name: quoted(strings.TrimSuffix(name, " state {"))}
			my, since, _ := strings.Cut(said["my state"], " at ")
			partner, partnerSince, _ := strings.Cut(said["partner state"], " at ")
			p.State, p.Since, p.Partner, p.PartnerSince = states[my], date(since), states[partner], date(partnerSince)
			if n, err := strconv.Atoi(said["mclt"]); err == nil {
				p.MCLT = time.Duration(n) * time.Second
			}
			peers[p.Name] = p
			continue
		}
		times := map[string]time.Time{}
		for _, word := range []string{"starts", "ends", "tstp", "tsfp", "atsfp", "cltt"} {
			if s, ok := said[word]; ok {
				times[word] = date(s)
			}
		}
		l := lease.Lease{
			Addr:  netip.MustParseAddr(strings.Fields(lines[0])[1]),
			Since: times["starts"], Expiry: times["ends"], LastTransaction: times["cltt"], SentPotentialExpiry: times["tstp"],
		}
		if _, ok := said["tstp"]; !ok {
			l.SentPotentialExpiry = l.Expiry
		}
		l.Unacked = times["atsfp"].Before(l.SentPotentialExpiry)
		if times["tsfp"] == l.SentPotentialExpiry {
			l.AckedPotentialExpiry = times["tsfp"]
		} else {
			l.ReceivedPotentialExpiry = times["tsfp"]
		}
		l.Status, _ = lease.ParseStatus(said["binding state"])
		l.Rewind, _ = lease.ParseStatus(said["rewind binding state"])
		if _, ok := said["reserved"]; ok {
			l.Flags |= lease.Reserved
		}
		if _, ok := said["dynamic-bootp"]; ok {
			l.Flags |= lease.BOOTP
		}
		if s := said["hardware ethernet"]; s != "" {
			l.Client.HW = lease.MakeHWAddr(1, []byte(octets(s)))
		}
		if s := said["uid"]; s != "" {
			l.Client.ID = quoted(s)
		}
		if s := said["set vendor-class-identifier ="]; s != "" {
			l.VendorClass = quoted(s)
		}
		for code, word := range []string{1: "option agent.circuit-id", 2: "option agent.remote-id"} {
			if s := said[word]; s != "" && word != "" {
				v := strings.Trim(s, `"`)
				if s[0] != '"' {
					v = octets(s)
				}
				l.RelayInfo += string([]byte{byte(code), byte(len(v))}) + v
			}
		}
		if l.IsVirgin() {
			delete(leases, l.Addr)
		} else {
			leases[l.Addr] = l
		}
	}
	return leases, peers
}

// Lease files of real ISC pairs are read as the slow twin reads them, before and after Tandem has rewritten them.
func TestFixtures(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.leases")
	all, _ := filepath.Glob("../../../shared/fixtures/*/s?.leases")
	if len(files) < 3 {
		t.Fatalf("testdata has %v", files)
	}
	for _, name := range append(files, all...) {
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			wantLeases, wantPeers := slowRead(t, string(text))
			disk := diskWith(string(text))
			s := open(t, file, leasefile.Config{FS: diskFS{disk}})
			for range 2 {
				got := contentOf(t, s)
				peers := map[string]lease.Peer{}
				for _, p := range got.peers {
					peers[p.Name] = p
				}
				if len(wantPeers) == 0 || !maps.Equal(peers, wantPeers) {
					t.Errorf("got peers\n%+v\nwant\n%+v", peers, wantPeers)
				}
				for a, want := range wantLeases {
					if got.leases[a] != want {
						t.Errorf("got\n%+v\nwant\n%+v", got.leases[a], want)
					}
				}
				if len(got.leases) != len(wantLeases) {
					t.Errorf("got %d leases, want %d", len(got.leases), len(wantLeases))
				}
				if err := s.Compact(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Three leases of three real files, spelt out.
func TestFixtureLeases(t *testing.T) {
	clock := func(s string) time.Time {
		at, err := time.Parse(time.DateTime, "2026-11-22 "+s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC()
	}
	for _, test := range []struct {
		file string
		want lease.Lease
	}{
		{"k-decline-s1", lease.Lease{ // granted by the partner: tstp is older than tsfp
			Addr: netip.MustParseAddr("10.0.10.18"), Status: lease.Active,
			Client: lease.Client{ID: "\x01\x02\x00\x00D&\x02", HW: "\x01\x02\x00\x00\x44\x26\x02"},
			Since:  clock("13:27:28"), Expiry: clock("13:28:28"),
			SentPotentialExpiry: clock("13:27:19"), ReceivedPotentialExpiry: clock("13:37:58"),
		}},
		{"j-fixed-host-s2", lease.Lease{ // expired, and given to the secondary by the primary
			Addr: netip.MustParseAddr("10.0.10.19"), Status: lease.Backup, Client: lease.Client{HW: "\x01\x08\x00\x27\xd9\x45\x96"},
			Since: clock("13:27:50"), Expiry: clock("13:27:48"), LastTransaction: clock("13:27:08"),
			SentPotentialExpiry: clock("13:27:48"), ReceivedPotentialExpiry: clock("13:27:50"),
		}},
		{"m-bootp-s2", lease.Lease{ // BOOTP, without an end: ISC takes that for tstp
			Addr: netip.MustParseAddr("10.0.10.19"), Status: lease.Active, Flags: lease.BOOTP, Unacked: true,
			Client: lease.Client{HW: "\x01\x02\x00\x00\x44\x26\x02"},
			Since:  clock("13:28:02"), Expiry: lease.Never, LastTransaction: clock("13:28:02"), SentPotentialExpiry: lease.Never,
		}},
	} {
		text, err := os.ReadFile("testdata/" + test.file + ".leases")
		if err != nil {
			t.Fatal(err)
		}
		if got := load(t, diskWith(string(text))).leases[test.want.Addr]; got != test.want {
			t.Errorf("%s: got\n%+v\nwant\n%+v", test.file, got, test.want)
		}
	}
}

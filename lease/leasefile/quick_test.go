package leasefile

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// checkQuick compares quick with the reader of everything: what it reads, that one reads alike.
func checkQuick(t *testing.T, text []byte) (ok bool) {
	t.Helper()
	var got declared
	n, ok := quick(text, &got)
	if !ok {
		return false
	}
	want, err := cut(text)
	if err != nil || want != n {
		t.Fatalf("%d octets, want %d (%v):\n%s", n, want, err, text)
	}
	d, err := parseStanza(text[:n], time.Unix(1_000_000_000, 0))
	if err != nil || d != got {
		t.Fatalf("%+v, want %+v (%v):\n%s", got, d, err, text)
	}
	return true
}

// Most of what appendLease writes is read quickly, and all of that right.
func TestQuickReadsWhatIsWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	read := 0
	const all = 20000
	for i := range all {
		l := leasetest.Random(rng, leasetest.Addr(i))
		text := append(appendLease(nil, &l, i%2 == 0), "\n# commit 3 00000000\n"...)
		if checkQuick(t, text) {
			read++
		}
	}
	if read < all/20 {
		t.Errorf("%d of %d random leases were read quickly", read, all)
	}
	usual := lease.Lease{
		Addr: leasetest.Addr(1), Status: lease.Active, Client: lease.Client{ID: "\x01\x02\x00\x00\x00\x00\x01", HW: "\x01\x02\x00\x00\x00\x00\x01"},
		Since: lease.FromUnix(1_800_000_000), Expiry: lease.FromUnix(1_800_003_600), LastTransaction: lease.FromUnix(1_800_000_000),
		HostName: "host", VendorClass: `a "class"`, RelayInfo: "\x01\x04eth1\x02\x02\x00\x01",
	}
	pair := usual
	pair.SentPotentialExpiry, pair.AckedPotentialExpiry = lease.FromUnix(1_800_007_200), lease.FromUnix(1_800_005_400)
	pair.Unacked, pair.Rewind = true, lease.Free
	for _, l := range []lease.Lease{usual, pair} {
		text := append(appendLease(nil, &l, l == pair), '\n')
		mark := bytes.Index(text, []byte("  "+ownMark))
		foreign := append(text[:mark:mark], "}\n"...) // as ISC dhcpd would write it
		for _, text := range [][]byte{text, foreign} {
			if !checkQuick(t, text) {
				t.Errorf("not read quickly:\n%s", text)
			}
		}
	}
}

func TestQuickDates(t *testing.T) {
	for secs := int64(1); secs < endOfDates.Unix(); secs += 86400*3 + 3607 {
		want := lease.FromUnix(secs)
		if got, ok := quickDate(appendDate(nil, want)); !ok || got != want {
			t.Fatalf("%v, %v, want %v", got, ok, want)
		}
	}
}

func FuzzQuick(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 20 {
		l := leasetest.Random(rng, leasetest.Addr(i))
		f.Add(appendLease(nil, &l, i%2 == 0))
	}
	f.Add([]byte("lease 10.0.0.1 {\n  starts 0 1970/01/01 00:00:00;\n  ends 4 2000/02/31 23:59:60;\n  binding state free;\n  # tandem tstp=5 unacked=1\n}"))
	f.Fuzz(func(t *testing.T, text []byte) { checkQuick(t, text) })
}

// A file is surveyed alike whether its commits are taken in whole or line by line.
func TestQuickSurvey(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range 300 {
		var file []byte
		file = append(file, header...)
		for range rng.IntN(6) {
			var text []byte
			for range 1 + rng.IntN(4) {
				l := leasetest.Random(rng, leasetest.Addr(i))
				text = appendLease(text, &l, false)
			}
			if rng.IntN(4) == 0 {
				file = append(file, text...) // a stray
			}
			file = appendCommit(file, text)
		}
		if len(file) > len(header) && rng.IntN(2) == 0 {
			switch at := len(header) + rng.IntN(len(file)-len(header)); rng.IntN(3) {
			case 0:
				file = file[:at]
			case 1:
				file[at] ^= 1 << rng.IntN(8)
			case 2:
				file = append(file[:at], file[min(len(file), at+1+rng.IntN(40)):]...)
			}
		}
		got, err := surveyFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		want := lineByLine(t, file)
		if len(got.regions) != len(want.regions) || len(got.damage) != len(want.damage) || (got.torn == nil) != (want.torn == nil) || got.glue != want.glue {
			t.Fatalf("%+v, want %+v:\n%s", got, want, file)
		}
		for j := range got.regions {
			if got.regions[j] != want.regions[j] {
				t.Fatalf("region %+v, want %+v:\n%s", got.regions[j], want.regions[j], file)
			}
		}
	}
}

// lineByLine is surveyFile without the quick way.
func lineByLine(t *testing.T, file []byte) survey {
	end, err := trimZeros(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	s := surveyor{line: 1, settledLine: 1}
	var last []byte
	for s.at < end {
		line := file[s.at:end]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
			s.wholeLine(line)
			s.line++
		} else {
			last = line
		}
		s.at += int64(len(line))
	}
	s.finish(end, int64(len(file)), last)
	return s.survey
}

package leasefile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

type diskFS struct{ *leasetest.Disk }

func (d diskFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d diskFS) Lock(name string) (io.Closer, error) { return d.Disk.Lock(name) }

// FuzzParse opens any file, applies a change, and opens it again: nothing may be lost or gained by that, and there is
// nothing left to report.
func FuzzParse(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.leases")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text[:min(len(text), 3000)])
		f.Add(text[max(0, len(text)-2000):])
	}
	l, p := leasetest.Leased(leasetest.Addr(1), 1), lease.Peer{Name: "ha", State: 4, Partner: 2}
	one := appendCommit(nil, appendLease(nil, &l, true))
	two := appendCommit(bytes.Clone(one), appendPeer(nil, &p))
	f.Add(two)
	f.Add(append([]byte("# a comment"), two...))
	f.Add(two[20 : len(two)-30])
	f.Add(append(bytes.Clone(two[:len(two)-1]), two...))
	f.Add(append(bytes.Clone(two), "lease 10.0.0.1 {\n # tandem tstp=0 uid=\"\\377\"\n}"...))
	f.Add([]byte("host x { # begin 12\n}\n"))
	f.Add([]byte("lease 1.2.3.4 { ends epoch 99999; binding state active; uid 1:2; option agent.unknown-9 \"\\x41\"; on expiry { } }"))
	f.Fuzz(func(t *testing.T, text []byte) {
		disk := leasetest.NewDisk(1)
		disk.WriteFile("f", text)
		first, damaged, torn := fuzzOpen(t, disk)
		if kept, _ := disk.ReadFile("f" + damagedSuffix + "1"); damaged && !bytes.Equal(kept, text) {
			t.Error("the damaged file was not kept as it was")
		}
		if after, _ := disk.ReadFile("f"); !damaged && !torn && !bytes.HasPrefix(after, text) {
			t.Error("a sound file was changed")
		}
		second, damaged, torn := fuzzOpen(t, disk)
		if damaged || torn || !maps.Equal(first.leases, second.leases) || !slices.Equal(first.peers, second.peers) {
			content, _ := disk.ReadFile("f")
			t.Errorf("first\n%v\nthen, damaged %v and torn %v,\n%v\nfrom\n%s", first, damaged, torn, second, content)
		}
	})
}

type fuzzContent struct {
	leases map[netip.Addr]lease.Lease
	peers  []lease.Peer
}

// fuzzOpen opens a file, reads it, toggles one lease, and reads it again.
func fuzzOpen(t *testing.T, disk *leasetest.Disk) (c fuzzContent, damaged, torn bool) {
	s, err := open("f", Config{FS: diskFS{disk}, CompactAt: Growth{Factor: -1}, Report: func(err error) {
		if d := (*Damage)(nil); errors.As(err, &d) && d.Torn {
			torn = true
		} else {
			damaged = true
		}
	}}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	read := func() map[netip.Addr]lease.Lease {
		leases, peers, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m := map[netip.Addr]lease.Lease{}
		for l, err := range leases {
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := m[l.Addr]; ok {
				t.Errorf("%v is given twice", l.Addr)
			}
			m[l.Addr] = l
		}
		c.peers = peers
		return m
	}
	c.leases = read()
	a := leasetest.Addr(77)
	old, ok := c.leases[a]
	l := leasetest.Leased(a, 1)
	for _, change := range []lease.Change{{Old: old, New: l}, {Old: l, New: old}} {
		if change.New == (lease.Lease{}) {
			change.New = lease.Virgin(a)
		}
		if err := s.Apply(t.Context(), lease.Batch{Changes: []lease.Change{change}}); err != nil {
			t.Fatalf("Apply: %v", err)
		}
	}
	if again := read(); !maps.Equal(again, c.leases) || ok != (again[a] != lease.Lease{}) {
		t.Errorf("before a change and its undoing\n%v\nafter\n%v", c.leases, again)
	}
	return c, damaged, torn
}

// FuzzStanza reads any stanza; what is read is written, and read as the same again.
func FuzzStanza(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.leases")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		sc := newScanner(bytes.NewReader(text), region{0, int64(len(text)), 1, true})
		for st, err := sc.next(); err == nil; st, err = sc.next() {
			f.Add(bytes.Clone(st.text))
		}
	}
	l := lease.Lease{
		Addr: leasetest.Addr(1), Status: lease.Active, Rewind: 99, Flags: 200, Unacked: true, HostName: "\x00\"\\\xff#;}",
		Client: lease.Client{ID: "\n", HW: lease.HWAddr(bytes.Repeat([]byte{1}, 40))}, Expiry: lease.FromUnix(1 << 31),
		ReceivedPotentialExpiry: lease.Never, RelayInfo: "\x09\x01", VendorClass: "x",
	}
	f.Add(appendLease(nil, &l, true))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := cut(text)
		if err != nil {
			return
		}
		d, err := parseStanza(text[:n], testNow)
		if err != nil {
			return
		}
		var again []byte
		switch d.what {
		case aLease:
			if err := (lease.Batch{Changes: []lease.Change{{New: d.lease}}}).Validate(); err != nil {
				t.Fatalf("read a lease that no store keeps: %v", err)
			}
			again = appendLease(nil, &d.lease, true)
		case aPeer:
			if err := validatePeer(&d.peer); err != nil {
				t.Fatalf("read a peer that no store keeps: %v", err)
			}
			again = appendPeer(nil, &d.peer)
		default:
			return
		}
		d.ours = true
		if n, err := cut(again); err != nil || n != len(again)-1 {
			t.Fatalf("%q is cut after %d: %v", again, n, err)
		}
		if back, err := parseStanza(again, testNow); err != nil || back != d {
			t.Fatalf("%q is\n%+v, written\n%s\nand read\n%+v, %v", text, d, again, back, err)
		}
	})
}

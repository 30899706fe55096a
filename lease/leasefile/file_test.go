package leasefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

const file = "dhcpd.leases" // of every Disk

// content is what a store holds.
type content struct {
	leases map[netip.Addr]lease.Lease
	peers  []lease.Peer
}

func (c content) equal(d content) bool {
	return maps.Equal(c.leases, d.leases) && slices.Equal(c.peers, d.peers)
}

// opened is what one opening of a file gave.
type opened struct {
	content
	damage []*leasefile.Damage
	disk   *leasetest.Disk
}

// names are the names of the leases, as Leased numbers them, in the order of addresses: "1:3" is version 3 of Addr(1).
func (c content) names() string {
	var names []string
	for _, a := range slices.SortedFunc(maps.Keys(c.leases), netip.Addr.Compare) {
		b := a.As4()
		names = append(names, fmt.Sprintf("%d:%d", b[3], int(c.leases[a].Since.Sub(leasetest.Leased(a, 0).Since).Seconds())))
	}
	return strings.Join(names, " ")
}

// load opens a store on a disk that holds the file, reads all, and closes it.
func load(t testing.TB, disk *leasetest.Disk) opened {
	t.Helper()
	o := opened{disk: disk}
	s, err := leasefile.Open(file, leasefile.Config{FS: diskFS{disk}, Report: func(err error) {
		var d *leasefile.Damage
		if !errors.As(err, &d) {
			t.Errorf("reported: %v", err)
			return
		}
		o.damage = append(o.damage, d)
	}})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	o.content = contentOf(t, s)
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return o
}

func contentOf(t testing.TB, s *leasefile.Store) content {
	t.Helper()
	c := content{leases: map[netip.Addr]lease.Lease{}}
	leases, peers, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	for l, err := range leases {
		if err != nil {
			t.Fatal(err)
		}
		c.leases[l.Addr] = l
	}
	c.peers = peers
	return c
}

func diskWith(text string) *leasetest.Disk {
	disk := leasetest.NewDisk(1)
	disk.WriteFile(file, []byte(text))
	return disk
}

// fileOf makes a file with one commit for each batch, and returns its content and where each commit ends.
func fileOf(t testing.TB, batches ...lease.Batch) (text string, ends []int) {
	t.Helper()
	disk := leasetest.NewDisk(1)
	s := open(t, file, leasefile.Config{FS: diskFS{disk}})
	size := func() int {
		b, err := disk.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return len(b)
	}
	ends = append(ends, size())
	for _, b := range batches {
		if err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, size())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, _ := disk.ReadFile(file)
	return string(b), ends
}

// grant is a batch that makes version n of each address, from version n-1.
func grant(n int, addrs ...int) lease.Batch {
	var b lease.Batch
	for _, a := range addrs {
		c := lease.Change{New: leasetest.Leased(leasetest.Addr(a), n)}
		if n > 1 {
			c.Old = leasetest.Leased(leasetest.Addr(a), n-1)
		}
		b.Changes = append(b.Changes, c)
	}
	return b
}

// A file cut anywhere opens to the commits that are whole, with a report, and works from there on.
func TestCutAnywhere(t *testing.T) {
	text, ends := fileOf(t, grant(1, 1, 2), grant(2, 1, 2), grant(3, 2, 1))
	want := []string{"", "1:1 2:1", "1:2 2:2", "1:3 2:3"}
	for size := ends[0]; size <= len(text); size++ {
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= size {
			whole++
		}
		got := load(t, diskWith(text[:size]))
		if got.names() != want[whole] {
			t.Fatalf("cut at %d of %d: got %s, want %s", size, len(text), got.names(), want[whole])
		}
		torn := size != ends[whole]
		if torn != (len(got.damage) == 1) || torn && (!got.damage[0].Torn || errors.Is(got.damage[0], lease.ErrCorrupt)) {
			t.Fatalf("cut at %d of %d: reported %v", size, len(text), got.damage)
		}
		if after, _ := got.disk.ReadFile(file); string(after) != text[:ends[whole]] {
			t.Fatalf("cut at %d: the file was not cut back to %d", size, ends[whole])
		}
	}
}

// Zeros at the end are what a crash leaves if the size of a file was durable before what was written.
func TestZerosAtTheEnd(t *testing.T) {
	text, ends := fileOf(t, grant(1, 1), grant(2, 1))
	for _, cut := range []int{ends[1], ends[1] + 1, ends[1] + 40, ends[2] - 1, ends[2]} {
		got := load(t, diskWith(text[:cut]+strings.Repeat("\x00", 5000)))
		want := "1:1"
		if cut == ends[2] {
			want = "1:2"
		}
		if got.names() != want || len(got.damage) != 1 || !got.damage[0].Torn {
			t.Errorf("cut at %d: got %s and reports %v, want %s", cut, got.names(), got.damage, want)
		}
	}
}

// Any octet of a commit in the middle may change in any way: the commit is left out and reported with its line, those
// before and after it count, and the file as it was is kept.
func TestFlipAnywhere(t *testing.T) {
	text, ends := fileOf(t, grant(1, 1, 2, 3), grant(2, 1, 2), grant(3, 2))
	first := strings.Count(text[:ends[1]], "\n") + 1
	last := strings.Count(text[:ends[2]], "\n")
	for at := ends[1]; at < ends[2]; at++ {
		for _, to := range []byte{text[at] ^ 1, text[at] ^ 0x20, text[at] ^ 0x80, 0, '\n', '#', '}'} {
			if to == text[at] {
				continue
			}
			damaged := text[:at] + string([]byte{to}) + text[at+1:]
			got := load(t, diskWith(damaged))
			if got.names() != "1:1 2:3 3:1" {
				t.Fatalf("octet %d is %q instead of %q: got %s", at, to, text[at], got.names())
			}
			if len(got.damage) == 0 {
				t.Fatalf("octet %d is %q instead of %q: nothing reported", at, to, text[at])
			}
			for _, d := range got.damage {
				if !errors.Is(d, lease.ErrCorrupt) || d.Path != file || d.Line < first || d.Line > last {
					t.Fatalf("octet %d is %q instead of %q: reported %v, want lines %d to %d", at, to, text[at], d, first, last)
				}
			}
			if kept, _ := got.disk.ReadFile(file + ".damaged-1"); string(kept) != damaged {
				t.Fatalf("octet %d is %q: the damaged file is not kept as it was", at, to)
			}
			again := load(t, got.disk)
			if !again.equal(got.content) || len(again.damage) > 0 {
				t.Fatalf("octet %d is %q: opened again got %s and %v", at, to, again.names(), again.damage)
			}
		}
	}
}

// A damaged part says whose leases are in it.
func TestDamageNamesAddresses(t *testing.T) {
	text, ends := fileOf(t, grant(1, 1, 2), grant(2, 1, 2), grant(3, 2))
	got := load(t, diskWith(text[:ends[1]]+strings.Replace(text[ends[1]:ends[2]], "host", "h0st", 1)+text[ends[2]:]))
	if len(got.damage) != 1 || !slices.Equal(got.damage[0].Addrs, []netip.Addr{leasetest.Addr(1), leasetest.Addr(2)}) {
		t.Errorf("got %v", got.damage)
	}
	want := fmt.Sprintf("leasefile: dhcpd.leases:%d: %d octets left out, with 10.0.0.1 and 1 more: a commit whose checksum is wrong",
		strings.Count(text[:ends[1]], "\n")+1, ends[2]-ends[1])
	if got.damage[0].Error() != want {
		t.Errorf("got  %v\nwant %s", got.damage[0], want)
	}
}

const (
	partnerDown = `failover peer "ha" state {
  my state partner-down at 0 2026/11/22 14:00:00;
  partner state communications-interrupted at 0 2026/11/22 13:00:00;
}
`
	foreign = `lease 10.0.0.9 {
  starts 0 2026/11/22 12:00:09;
  ends 0 2026/11/22 13:00:00;
  binding state active;
  next binding state expired;
  hardware ethernet 02:00:00:00:00:09;
}
`
)

// What others append to the file counts, if it is whole; what they leave unfinished does not, and is kept aside.
func TestForeignText(t *testing.T) {
	text, ends := fileOf(t, grant(1, 1), grant(2, 1))
	marked := text[ends[1]+len("# begin 000\n") : strings.LastIndex(text, "# commit")]
	for _, test := range []struct {
		name, text string
		want       string
		peers      int
		damage     string // in the report; none if empty
	}{
		{"a peer stanza behind the last commit", text + partnerDown, "1:2", 1, ""},
		{"a peer stanza without the last newline", text + strings.TrimSpace(partnerDown), "1:2", 1, ""},
		{"a comment without a newline", text + "# by hand", "1:2", 0, ""},
		{"a lease and a peer between commits", text[:ends[1]] + foreign + partnerDown + text[ends[1]:], "1:2 9:9", 1, ""},
		{"somebody else's file", "# written by isc-dhcp\n" + foreign + partnerDown, "9:9", 1, ""},
		{"somebody else's file, and commits behind it", foreign + text, "1:2 9:9", 0, ""},
		{"an empty file", "", "", 0, ""},
		{"blanks", "\n \n\t", "", 0, ""},
		{"a whole file of Tandem's appended to another", foreign + text + text[:ends[1]], "1:1 9:9", 0, ""},
		{"other stanzas", "server-duid \"\\000\\001\";\nhost x { dynamic; hardware ethernet 1:2:3; }\ngroup {\n host y { deleted; } }\n" +
			text + "class \"c\" { match if substring(option x, 0, 1) = \"}\"; }\nsubclass \"c\" 1:2;\n", "1:2", 0, ""},
		{"a stanza broken off at the end", text + foreign[:60], "1:2", 0, "the file ends inside of a stanza"},
		{"a stanza broken off in the middle", foreign[:60] + "\n" + foreign, "9:9", 0, "a stanza that is broken off"},
		{"a stanza broken off before a commit", foreign[:60] + "\n" + text, "1:2", 0, "the file ends inside of a stanza"},
		{"garbage", "garbage\n}{\x01\n" + foreign, "9:9", 0, "'}' closes nothing"},
		{"a statement of another file", "subnet 10.0.0.0 netmask 255.0.0.0 {}\n" + foreign, "9:9", 0, `no stanza begins with "subnet"`},
		{"a value that is none", strings.Replace(foreign, "active", "lively", 1) + strings.ReplaceAll(foreign, "0.9", "0.8"), "8:9", 0,
			`"lively" is not a binding state`},
		{"a stanza of Tandem's outside of a commit", text + marked, "1:2", 0, "a stanza of Tandem's outside of its commit"},
		{"a commit that nothing closes, with another behind it", text[:ends[1]-5] + text[ends[1]:], "1:2", 0, "a commit that nothing closes"},
		{"the last commit with a wrong last line", text[:len(text)-2] + "!\n", "1:1", 0, "a commit that nothing closes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := load(t, diskWith(test.text))
			if got.names() != test.want || len(got.peers) != test.peers {
				t.Errorf("got %s and %d peers, want %s and %d", got.names(), len(got.peers), test.want, test.peers)
			}
			if test.damage == "" && len(got.damage) > 0 {
				t.Errorf("reported %v", got.damage)
			}
			if kept, _ := got.disk.ReadFile(file + ".damaged-1"); test.damage != "" {
				if len(got.damage) != 1 || !strings.Contains(got.damage[0].Error(), test.damage) {
					t.Errorf("reported %v, want: %s", got.damage, test.damage)
				}
				if string(kept) != test.text {
					t.Error("the damaged file is not kept as it was")
				}
			}
			// The store goes on: what it writes behind the foreign text counts, and so does that.
			s := open(t, file, leasefile.Config{FS: diskFS{got.disk}})
			if err := s.Apply(t.Context(), grant(1, 7)); err != nil {
				t.Fatal(err)
			}
			before := contentOf(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := load(t, got.disk)
			if !again.equal(before) || len(again.leases) != len(got.leases)+1 || len(again.damage) > 0 {
				t.Errorf("after a commit: got %s and %v", again.names(), again.damage)
			}
			if _, ok := again.leases[leasetest.Addr(7)]; !ok {
				t.Error("after a commit: it is not there")
			}
		})
	}
}

// A stanza whose meaning depends on when it is read keeps the meaning of its first reading.
func TestPeerWithoutDate(t *testing.T) {
	before := lease.Second(time.Now())
	disk := diskWith("failover peer \"ha\" state { my state partner-down; partner state normal; }\n")
	s := open(t, file, leasefile.Config{FS: diskFS{disk}})
	defer s.Close()
	c := contentOf(t, s)
	if len(c.peers) != 1 || c.peers[0].Since.Before(before) || c.peers[0].State != 4 || c.peers[0].Partner != 2 {
		t.Fatalf("got %+v", c.peers)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, _ := disk.ReadFile(file); !bytes.Contains(after, []byte("my state partner-down at ")) {
		t.Errorf("no date in\n%s", after)
	}
}

// What is longer than any stanza is passed over without being held in memory, and what follows it counts.
func TestLongText(t *testing.T) {
	const long = 3 << 20
	for _, test := range []struct{ name, text, damage string }{
		{"a line", strings.Repeat("x", long) + "\n", "a stanza too long for a lease file"},
		{"a comment", "#" + strings.Repeat("x", long) + "\n", "a line too long for a lease file"},
		{"a string", "server-duid \"" + strings.Repeat("x", long) + "\";\n", "a stanza too long for a lease file"},
		{"a stanza", "host x {\n" + strings.Repeat("  a;\n", long/5) + "}\n", "a stanza too long for a lease file"},
		{"blanks", strings.Repeat(" \n", long/2), ""},
		{"many stanzas", strings.Repeat(foreign, long/len(foreign)), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := load(t, diskWith(test.text+foreign))
			if got.names() != "9:9" {
				t.Errorf("got %s", got.names())
			}
			if test.damage == "" {
				if len(got.damage) > 0 {
					t.Errorf("reported %v", got.damage)
				}
			} else if len(got.damage) != 1 || !strings.Contains(got.damage[0].Error(), test.damage) ||
				got.damage[0].Offset != 0 || got.damage[0].Size != int64(len(test.text)) {
				t.Errorf("reported %v, want %d octets: %s", got.damage, len(test.text), test.damage)
			}
			if again := load(t, got.disk); !again.equal(got.content) || len(again.damage) > 0 {
				t.Errorf("opened again: got %s and %v", again.names(), again.damage)
			}
		})
	}
}

package leasefile

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// said is what Open makes of regions, read in pieces of about size octets, as text.
func said(t *testing.T, file []byte, regions []region, size int64) string {
	t.Helper()
	s := Store{seed: maphash.MakeSeed(), readAt: testNow}
	var places, peers, rest []string
	pieces := 0
	err := inPieces(t.Context(), bytes.NewReader(file), regions, size, s.readFirst, func(p *piece) error {
		pieces++
		for _, at := range p.places {
			places = append(places, fmt.Sprint(address(at.addr), at.place, at.hash == 0))
		}
		for _, peer := range p.peers {
			peers = append(peers, fmt.Sprint(peer))
		}
		for _, d := range p.damage {
			rest = append(rest, fmt.Sprintf("%v at %d", d, d.Offset))
		}
		return p.err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size < 100 && pieces < bytes.Count(file, []byte("\nlease "))/8 && len(regions) == 1 {
		t.Errorf("%d octets in %d pieces only", len(file), pieces)
	}
	return strings.Join(slices.Concat(places, peers, rest), "\n")
}

// checkPieces compares how a file is read in pieces of all sizes with how it is read from end to end.
func checkPieces(t *testing.T, file []byte) {
	t.Helper()
	plan, err := surveyFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	// What the survey leaves out is read, too: the more damage, the better.
	for _, regions := range [][]region{plan.regions, {{0, int64(len(file)), 1, true}}, {{0, int64(len(file)), 1, false}}} {
		want := said(t, file, regions, int64(len(file))+1)
		for _, size := range []int64{1, 60, 1000} {
			if got := said(t, file, regions, size); got != want {
				t.Fatalf("in pieces of %d:\n%s\nat once:\n%s\nfile:\n%s", size, got, want, file)
			}
		}
	}
}

// randomFile is a file of commits, strays, and stanzas that are broken off or worse.
func randomFile(rng *rand.Rand) []byte {
	file := []byte(header)
	for i := range rng.IntN(30) {
		l := leasetest.Random(rng, leasetest.Addr(i))
		text := appendLease(nil, &l, false)
		switch rng.IntN(4) {
		case 0:
			file = append(file, text...)
		case 1:
			file = append(file, text[:rng.IntN(len(text))]...)
			if rng.IntN(2) == 0 {
				file = append(file, '\n')
			}
		default:
			file = appendCommit(file, text)
		}
	}
	for range rng.IntN(4) {
		file[rng.IntN(len(file))] = "\n\"#{};\x00 x"[rng.IntN(9)]
	}
	return file
}

func TestPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 300 {
		checkPieces(t, randomFile(rng))
	}
	names, _ := filepath.Glob("testdata/*.leases")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		checkPieces(t, text)
	}
}

func FuzzPieces(f *testing.F) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 10 {
		f.Add(randomFile(rng))
	}
	f.Add([]byte("lease 10.0.0.1 {\n  uid \"\nlease 10.0.0.2 { binding state free; }\n# \nlease 10.0.0.3 {\n"))
	f.Fuzz(func(t *testing.T, file []byte) { checkPieces(t, file) })
}

// torn is a reader whose file is shorter than it was, or cannot be read from an octet on.
type tornReader struct {
	io.ReaderAt
	from int64
	err  error
}

func (r tornReader) ReadAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > r.from {
		n, _ := r.ReaderAt.ReadAt(b[:max(0, r.from-at)], at)
		return n, r.err
	}
	return r.ReaderAt.ReadAt(b, at)
}

// What stands before an octet that cannot be read is read, and then comes the reason.
func TestPiecesUnreadable(t *testing.T) {
	var file []byte
	for i := range 1000 {
		l := leasetest.Leased(leasetest.Addr(i), 1)
		file = append(appendLease(file, &l, false), '\n')
	}
	s := Store{seed: maphash.MakeSeed(), readAt: testNow}
	broken := errors.New("the disk is broken")
	for _, test := range []struct{ err, want error }{{broken, broken}, {io.EOF, io.ErrUnexpectedEOF}} {
		for _, from := range []int64{0, 1, 100, int64(len(file)) / 2, int64(len(file)) - 1} {
			read := 0
			err := inPieces(t.Context(), tornReader{bytes.NewReader(file), from, test.err}, []region{{0, int64(len(file)), 1, false}}, 2000,
				s.readFirst, func(p *piece) error {
					read += len(p.places)
					return p.err
				})
			if !errors.Is(err, test.want) {
				t.Errorf("from %d: got %v, want %v", from, err, test.want)
			}
			if most := bytes.Count(file[:from], []byte("}")); read > most {
				t.Errorf("from %d: %d leases, of which %d can be read", from, read, most)
			}
		}
	}
}

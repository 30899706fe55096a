package pool

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// sorted is the slow twin of an index.
type sorted []uint64

func (s *sorted) add(k uint64) {
	if i, ok := slices.BinarySearch(*s, k); !ok {
		*s = slices.Insert(*s, i, k)
	}
}

func (s *sorted) remove(k uint64) {
	if i, ok := slices.BinarySearch(*s, k); ok {
		*s = slices.Delete(*s, i, i+1)
	}
}

func (s *sorted) next(k uint64) (uint64, bool) {
	if i, _ := slices.BinarySearch(*s, k); i < len(*s) {
		return (*s)[i], true
	}
	return 0, false
}

func (s *sorted) len() int { return len(*s) }

// compare walks both to the end.
func compare(t *testing.T, got, want index) {
	t.Helper()
	if got.len() != want.len() {
		t.Fatalf("len is %d, want %d", got.len(), want.len())
	}
	for k := uint64(0); ; k++ {
		g, gotOK := got.next(k)
		w, wantOK := want.next(k)
		if g != w || gotOK != wantOK {
			t.Fatalf("next(%d) is %d, %v, want %d, %v", k, g, gotOK, w, wantOK)
		}
		if k = g; !gotOK {
			return
		}
	}
}

// exercise does the same at random to an index and its twin: single keys, and whole stretches of them, so that parts
// of a set fill up and blocks of an order split and join.
func exercise(t *testing.T, r *rand.Rand, got, want index, size uint64) {
	t.Helper()
	for step := range 400 {
		k, stretch := r.Uint64N(size), uint64(1)
		if r.IntN(20) == 0 {
			stretch = r.Uint64N(1500)
		}
		add := r.IntN(2) == 0
		for k := k; k < min(k+stretch, size) && stretch > 0; k, stretch = k+1, stretch-1 {
			if add {
				got.add(k)
				want.add(k)
			} else {
				got.remove(k)
				want.remove(k)
			}
		}
		k = r.Uint64N(size)
		g, gotOK := got.next(k)
		w, wantOK := want.next(k)
		if g != w || gotOK != wantOK {
			t.Fatalf("step %d: next(%d) is %d, %v, want %d, %v", step, k, g, gotOK, w, wantOK)
		}
	}
	compare(t, got, want)
}

// window is the last numbers of a set, counted from 0.
type window struct {
	*set
	first uint64
	below int // members before the window
}

func (w window) add(k uint64)    { w.set.add(w.first + k) }
func (w window) remove(k uint64) { w.set.remove(w.first + k) }
func (w window) len() int        { return w.set.len() - w.below }

func (w window) next(k uint64) (uint64, bool) {
	if k, ok := w.set.next(w.first + k); ok {
		return k - w.first, true
	}
	return 0, false
}

func TestSet(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		size := []uint32{1, 63, 64, 65, 241, 4096, 6000}[r.IntN(7)] // the twin cannot be large
		first := []uint32{0, 1<<12 - 100, 1<<18 - 3000, MaxSize - size}[r.IntN(4)]
		all := new(sorted)
		for k := range uint64(size) {
			all.add(k)
		}
		exercise(t, r, window{fullSet(first + size), uint64(first), int(first)}, all, uint64(size))
		exercise(t, r, window{emptySet(first + size), uint64(first), 0}, new(sorted), uint64(size))
	}
}

func TestSetAtTheEnd(t *testing.T) {
	s := fullSet(MaxSize)
	for _, k := range []uint64{MaxSize - 1, MaxSize - 64, MaxSize / 2} {
		s.remove(k)
		if s.has(k) {
			t.Errorf("%d is still a member", k)
		}
	}
	if k, ok := s.next(MaxSize - 1); ok {
		t.Errorf("after the last comes %d", k)
	}
	if k, ok := s.next(MaxSize / 2); k != MaxSize/2+1 || !ok {
		t.Errorf("after the half comes %d, %v", k, ok)
	}
	s.add(MaxSize) // beyond: nothing happens
	s.remove(MaxSize)
	if got, want := s.len(), MaxSize-3; got != want {
		t.Errorf("len is %d, want %d", got, want)
	}
	if _, ok := s.next(MaxSize); ok {
		t.Error("there is a member beyond the end")
	}
}

// What is full or empty again takes no memory, whatever happened before.
func TestSetFolds(t *testing.T) {
	s := fullSet(MaxSize)
	for k := uint64(100_000); k < 200_000; k++ {
		s.remove(k)
	}
	if nodes := s.root.count(); nodes > 8 { // the two ends of the gap, three parts deep each
		t.Errorf("a gap of 100,000 takes %d nodes", nodes)
	}
	for k := uint64(100_000); k < 200_000; k++ {
		s.add(k)
	}
	if nodes := s.root.count(); nodes != 1 || s.root.parts != nil {
		t.Errorf("a full set takes %d nodes", nodes)
	}
}

func (n *node) count() int {
	c := 1
	if n.parts != nil {
		for _, p := range n.parts {
			if p != nil {
				c += p.count()
			}
		}
	}
	return c
}

func TestOrder(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		exercise(t, r, new(order), new(sorted), []uint64{1, 600, 20000}[r.IntN(3)])
	}
}

// Blocks are as full as promised: wholly if keys come in their order, by more than half if they come at random, by a
// quarter if most are gone.
func TestOrderMemory(t *testing.T) {
	const n = 100_000
	keys := rand.New(rand.NewPCG(0, 4)).Perm(n)
	inOrder, atRandom := new(order), new(order)
	for i, k := range keys {
		inOrder.add(uint64(i))
		atRandom.add(uint64(k))
	}
	if got, most := len(inOrder.blocks), n/blockSize+1; got > most {
		t.Errorf("%d blocks of keys in order, want %d", got, most)
	}
	if got, most := len(atRandom.blocks), 2*n/blockSize; got > most {
		t.Errorf("%d blocks of keys at random, want %d at most", got, most)
	}
	for _, k := range keys[n/10:] {
		atRandom.remove(uint64(k))
	}
	if got, most := len(atRandom.blocks), 4*(n/10)/blockSize+1; got > most {
		t.Errorf("%d blocks are left for a tenth, want %d at most", got, most)
	}
	for _, k := range keys {
		atRandom.remove(uint64(k))
	}
	if len(atRandom.blocks) != 0 || atRandom.len() != 0 {
		t.Errorf("%d blocks are left of nothing", len(atRandom.blocks))
	}
}

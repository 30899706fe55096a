package paged

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// It does what a map does.
func TestMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var m Map[int]
	twin := make(map[uint32]int)
	for i := range 200000 {
		k := rng.Uint32N(2000)
		if rng.IntN(10) == 0 {
			k = rng.Uint32() // far away, and at the ends
		}
		switch rng.IntN(3) {
		case 0:
			m.Delete(k)
			delete(twin, k)
		default:
			m.Put(k, i)
			twin[k] = i
		}
		got, ok := m.Get(k)
		want, has := twin[k]
		if got != want || ok != has || m.Len() != len(twin) {
			t.Fatalf("step %d: %d has %d, %v of %d, want %d, %v of %d", i, k, got, ok, m.Len(), want, has, len(twin))
		}
	}
	if got, want := slices.Collect(m.Keys()), slices.Sorted(maps.Keys(twin)); !slices.Equal(got, want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
	for k, want := range twin {
		page := m.Page(k)
		if page[k%PageSize] != want {
			t.Fatalf("page of %d has %d of it, want %d", k, page[k%PageSize], want)
		}
		for i, v := range page {
			if v != twin[k-k%PageSize+uint32(i)] {
				t.Fatalf("page of %d: %d", k, page)
			}
		}
	}
	for k := range m.Keys() {
		m.Delete(k)
	}
	if m.Page(0) != [PageSize]int{} {
		t.Error("something is left of page 0")
	}
	if m.Len() != 0 || len(m.pages) != 0 {
		t.Errorf("%d are left, on %d pages", m.Len(), len(m.pages))
	}
}

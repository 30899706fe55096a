package main

import "testing"

// Garbage is collected less often while that takes much, by a bound, and as before after a while of rest.
func TestCollecting(t *testing.T) {
	const mb = 1 << 20
	c := collecting{percent: collectAt}
	look := func(cycles, live uint64, want int) {
		t.Helper()
		if c.look(cycles, live); c.percent != want {
			t.Errorf("%d times %d MB: %d %%, want %d", cycles, live/mb, c.percent, want)
		}
	}
	look(0, 0, collectAt)
	look(20, 2*mb, collectAt) // a small server at work
	look(2, 25*mb, collectAt) // a large one
	look(10, 25*mb, 100)      // it catches up
	look(2, 25*mb, 100)       // which is as much, since it is collected less often
	look(10, 190*mb, 16)      // no more garbage than is allowed
	look(10, 4000*mb, collectAt)
	look(10, 25*mb, 100)
	for range restLooks - 1 {
		look(0, 25*mb, 100)
	}
	look(0, 25*mb, collectAt)
}

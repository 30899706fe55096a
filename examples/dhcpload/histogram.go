package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in classes whose width is at most 1/32 of what is in them, from a microsecond to hours.
type histogram struct {
	classes [1024]uint64
	n       uint64
	sum     time.Duration
	most    time.Duration
}

// fine is the binary logarithm of how many classes there are to each doubling.
const fine = 5

// class is the index of the class of us microseconds.
func class(us uint64) int {
	if us < 1<<(fine+1) {
		return int(us)
	}
	shift := bits.Len64(us) - fine - 1
	return shift<<fine + int(us>>shift)
}

// upper is the largest number of microseconds in a class.
func upper(class int) uint64 {
	if class < 1<<(fine+1) {
		return uint64(class)
	}
	shift := class>>fine - 1
	return uint64(class-shift<<fine+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	h.classes[min(class(us), len(h.classes)-1)]++
	h.n++
	h.sum += d
	h.most = max(h.most, d)
}

// quantile returns a duration that a share q of those counted do not exceed, as exact as a class is wide.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q*float64(h.n)) + 1
	var seen uint64
	for i, n := range h.classes {
		if seen += n; seen >= rank {
			return min(time.Duration(upper(i))*time.Microsecond, h.most.Round(time.Microsecond))
		}
	}
	return h.most
}

// mean returns the arithmetic mean, 0 of nothing.
func (h *histogram) mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return h.sum / time.Duration(h.n)
}

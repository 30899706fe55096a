package paged

import (
	"iter"
	"maps"
	"math/bits"
	"slices"
)

const pageBits = 4

// PageSize is how many numbers share a page: those from a multiple of it on.
const PageSize = 1 << pageBits

// Map maps numbers to values. The zero Map is empty and ready. It is not safe for concurrent use.
type Map[V any] struct {
	pages map[uint32]*page[V]
	n     int
}

type page[V any] struct {
	have   uint16 // bit i: values[i] is there
	values [PageSize]V
}

// Len returns how many numbers have a value.
func (m *Map[V]) Len() int { return m.n }

// Get returns the value of k. The second result is false, and the first zero, if it has none.
func (m *Map[V]) Get(k uint32) (v V, ok bool) {
	if p := m.pages[k>>pageBits]; p != nil {
		return p.values[k%PageSize], p.have>>(k%PageSize)&1 != 0
	}
	return v, false
}

// Page returns the values of all numbers on the page of k, zero for those that have none.
func (m *Map[V]) Page(k uint32) (values [PageSize]V) {
	if p := m.pages[k>>pageBits]; p != nil {
		values = p.values
	}
	return values
}

// Put gives k a value.
func (m *Map[V]) Put(k uint32, v V) {
	p := m.pages[k>>pageBits]
	if p == nil {
		if m.pages == nil {
			m.pages = make(map[uint32]*page[V])
		}
		p = new(page[V])
		m.pages[k>>pageBits] = p
	}
	if bit := uint16(1) << (k % PageSize); p.have&bit == 0 {
		p.have |= bit
		m.n++
	}
	p.values[k%PageSize] = v
}

// Delete takes the value of k away, if it has one.
func (m *Map[V]) Delete(k uint32) {
	p := m.pages[k>>pageBits]
	bit := uint16(1) << (k % PageSize)
	if p == nil || p.have&bit == 0 {
		return
	}
	m.n--
	if p.have &^= bit; p.have == 0 {
		delete(m.pages, k>>pageBits)
		return
	}
	var zero V
	p.values[k%PageSize] = zero
}

// Keys gives the numbers that had a value when it was called, in their order. m may be changed while it goes on.
func (m *Map[V]) Keys() iter.Seq[uint32] {
	type part struct {
		at   uint32
		have uint16
	}
	parts := make([]part, 0, len(m.pages))
	for at, p := range maps.All(m.pages) {
		parts = append(parts, part{at, p.have})
	}
	slices.SortFunc(parts, func(a, b part) int { return int(int64(a.at) - int64(b.at)) })
	return func(yield func(uint32) bool) {
		for _, p := range parts {
			for have := p.have; have != 0; have &= have - 1 {
				if !yield(p.at<<pageBits | uint32(bits.TrailingZeros16(have))) {
					return
				}
			}
		}
	}
}

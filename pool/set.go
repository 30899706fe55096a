package pool

import "math/bits"

// A set is a tree of 64 parts to a node, each of which has 64 parts again, down to single numbers: four steps of six
// bits reach MaxSize.
const (
	fanBits  = 6
	rootBits = 3 * fanBits // the bits of a number below the part of the root it is in
)

// set is a set of numbers below size. A part of which all or none are members costs no memory, so a set of all
// addresses of a /8 is as small as an empty one. Finding the next member takes four steps at most.
type set struct {
	root node
	size uint64
	n    int
}

// node is a part of a set. Bit i of some says that its i-th part has a member. Bit i of mixed says that not all
// numbers of that part are members, and that parts[i] tells which; without it the part is uniform, and some says how.
type node struct {
	some, mixed uint64
	parts       *[64]*node // nil if mixed is 0; always nil in a leaf, whose parts are single numbers
}

// fullSet returns the set of all numbers below size.
func fullSet(size uint32) *set {
	return &set{root: node{some: ^uint64(0)}, size: uint64(size), n: int(size)}
}

// emptySet returns a set without members for numbers below size.
func emptySet(size uint32) *set { return &set{size: uint64(size)} }

func (s *set) len() int { return s.n }

func (s *set) add(k uint64) {
	if k < s.size && s.root.put(k, rootBits, true) {
		s.n++
	}
}

func (s *set) remove(k uint64) {
	if k < s.size && s.root.put(k, rootBits, false) {
		s.n--
	}
}

// has reports whether k is a member.
func (s *set) has(k uint64) bool {
	m, ok := s.next(k)
	return ok && m == k
}

// next returns the smallest member that is not below k. The second result is false if there is none.
func (s *set) next(k uint64) (uint64, bool) {
	if k >= s.size {
		return 0, false
	}
	m, ok := s.root.next(k, rootBits)
	if !ok || m >= s.size { // a full set has members beyond its size that nobody sees
		return 0, false
	}
	return m, true
}

// put makes k a member of the part n, or none, and reports whether that changed anything. A part of n begins at each
// multiple of 1<<shift.
func (n *node) put(k uint64, shift uint, member bool) bool {
	i := k >> shift & 63
	bit := uint64(1) << i
	if n.mixed&bit == 0 {
		if (n.some&bit != 0) == member {
			return false
		}
		if shift == 0 {
			n.some ^= bit
			return true
		}
		if n.parts == nil {
			n.parts = new([64]*node)
		}
		n.parts[i] = new(node)
		if !member {
			n.parts[i].some = ^uint64(0)
		}
		n.mixed |= bit
	}
	part := n.parts[i]
	if !part.put(k, shift-fanBits, member) {
		return false
	}
	if part.some != 0 {
		n.some |= bit
	} else {
		n.some &^= bit
	}
	if part.mixed == 0 && (part.some == 0 || part.some == ^uint64(0)) {
		n.parts[i] = nil
		n.mixed &^= bit
		if n.mixed == 0 {
			n.parts = nil
		}
	}
	return true
}

// next returns the smallest member of n that is not below k, which lies in n.
func (n *node) next(k uint64, shift uint) (uint64, bool) {
	i := k >> shift & 63
	bit := uint64(1) << i
	if n.some&bit != 0 {
		if n.mixed&bit == 0 {
			return k, true
		}
		if m, ok := n.parts[i].next(k, shift-fanBits); ok {
			return m, true
		}
	}
	later := n.some &^ (bit<<1 - 1) // bit<<1 is 0 after the last part, and all bits are taken away
	if later == 0 {
		return 0, false
	}
	i = uint64(bits.TrailingZeros64(later))
	k = k>>(shift+fanBits)<<(shift+fanBits) | i<<shift // the first number of that part
	if n.mixed>>i&1 == 0 {
		return k, true
	}
	return n.parts[i].next(k, shift-fanBits)
}

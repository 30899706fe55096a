package pool

import (
	"slices"
	"sort"
)

// blockSize is how many keys a block of an order holds at most: 4 KB, which a processor moves in the time of a few
// cache misses.
const blockSize = 512

// order is a set of keys in their order: blocks of sorted keys, no block empty, the blocks sorted too. It costs 8
// octets a key where keys are added at the end, as they mostly are, and about 12 where they come at random. Each
// method looks for a block, then in the block, and moves at most one block.
type order struct {
	blocks [][]uint64
	n      int
}

func (o *order) len() int { return o.n }

// seek returns the place of the first key that is not below k: a block, the index in it, and whether that key is k.
// Beyond the last key it returns len(o.blocks).
func (o *order) seek(k uint64) (block, i int, found bool) {
	block = sort.Search(len(o.blocks), func(b int) bool {
		keys := o.blocks[b]
		return keys[len(keys)-1] >= k
	})
	if block == len(o.blocks) {
		return block, 0, false
	}
	i, found = slices.BinarySearch(o.blocks[block], k)
	return block, i, found
}

func (o *order) add(k uint64) {
	b, i, found := o.seek(k)
	if found {
		return
	}
	o.n++
	if b == len(o.blocks) { // k is the last key
		if b == 0 { // a small pool has no more than this block: let it grow
			o.blocks = append(o.blocks, []uint64{k})
			return
		}
		if len(o.blocks[b-1]) == blockSize {
			o.blocks = append(o.blocks, append(make([]uint64, 0, blockSize), k))
			return
		}
		b--
		i = len(o.blocks[b])
	}
	if len(o.blocks[b]) == blockSize {
		const half = blockSize / 2
		o.blocks = slices.Insert(o.blocks, b+1, slices.Clone(o.blocks[b][half:]))
		o.blocks[b] = o.blocks[b][:half]
		if i > half {
			b, i = b+1, i-half
		}
	}
	o.blocks[b] = slices.Insert(o.blocks[b], i, k)
}

func (o *order) remove(k uint64) {
	b, i, found := o.seek(k)
	if !found {
		return
	}
	o.n--
	o.blocks[b] = slices.Delete(o.blocks[b], i, i+1)
	if len(o.blocks[b]) == 0 {
		o.blocks = slices.Delete(o.blocks, b, b+1)
		return
	}
	o.join(b)
	o.join(b - 1)
}

// join makes one block of block b and the next one where they fill three quarters of one at most, so that few keys do
// not keep many blocks. The quarter left keeps a block from splitting again soon.
func (o *order) join(b int) {
	if b < 0 || b+1 >= len(o.blocks) || len(o.blocks[b])+len(o.blocks[b+1]) > blockSize*3/4 {
		return
	}
	o.blocks[b] = append(o.blocks[b], o.blocks[b+1]...)
	o.blocks = slices.Delete(o.blocks, b+1, b+2)
}

// next returns the smallest key that is not below k. The second result is false if there is none.
func (o *order) next(k uint64) (uint64, bool) {
	b, i, _ := o.seek(k)
	if b == len(o.blocks) {
		return 0, false
	}
	return o.blocks[b][i], true
}

package main

// queue gives back first what came first. Its memory is used again and again.
type queue[T any] struct {
	ring    []T // of a length that is a power of two, or empty
	head, n int
}

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) push(v T) {
	if q.n == len(q.ring) {
		larger := make([]T, max(2*len(q.ring), 64))
		for i := range q.n {
			larger[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
		}
		q.ring, q.head = larger, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

// front returns what pop would, nil if that is nothing.
func (q *queue[T]) front() *T {
	if q.n == 0 {
		return nil
	}
	return &q.ring[q.head]
}

// pop may be called only if there is something in q.
func (q *queue[T]) pop() T {
	v := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v
}

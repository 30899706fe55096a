package dhcp4

import "sync"

// maxWaiting is how many messages of one client wait for the one before them. More than that is no client.
const maxWaiting = 8

// sender is chaddr as it stands in a datagram, padded.
type sender [hwRoom]byte

// chaddrAt is where chaddr begins in a datagram (RFC 2131 figure 1).
const chaddrAt = 28

// clientOf returns the sender of a datagram, zero if it is too short to have one.
func clientOf(b []byte) (k sender) {
	if len(b) >= chaddrAt+len(k) {
		copy(k[:], b[chaddrAt:])
	}
	return k
}

// order has the messages of one client handled in the order in which they came: a DHCPRELEASE and the DHCPREQUEST after
// it in two workers would end with whichever is the slower, and might take back the lease that was just given.
type order struct {
	mu    sync.Mutex
	busy  map[sender]*line
	spare []*line
}

// line is what waits for the message of a client that is being handled.
type line struct{ jobs []*job }

// enter reports whether j may be handled now, or else whether it has been put to wait. A job that may neither is one
// too many.
func (o *order) enter(j *job) (now, waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, ok := o.busy[j.client]
	switch {
	case j.client == sender{}:
		return true, false
	case ok && len(l.jobs) == maxWaiting:
		return false, false
	case ok:
		l.jobs = append(l.jobs, j)
		return false, true
	}
	if o.busy == nil {
		o.busy = make(map[sender]*line)
	}
	if n := len(o.spare); n > 0 {
		l, o.spare = o.spare[n-1], o.spare[:n-1]
	} else {
		l = &line{jobs: make([]*job, 0, maxWaiting)}
	}
	o.busy[j.client] = l
	return true, false
}

// leave says that a message of the client has been handled, and returns the one whose turn it is, or nil.
func (o *order) leave(k sender) *job {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, ok := o.busy[k]
	if !ok {
		return nil
	}
	if len(l.jobs) == 0 {
		delete(o.busy, k)
		o.spare = append(o.spare, l)
		return nil
	}
	j := l.jobs[0]
	l.jobs = append(l.jobs[:0], l.jobs[1:]...)
	return j
}

package dhcp4

import (
	"cmp"
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// job is a datagram on its way through a server and then the answer to it. Jobs are used again and again.
type job struct {
	Datagram              // as read, and then as it shall be written
	conn     *served      // which it came by
	client   sender       // whose it is
	received time.Time    // when it was read
	in       []byte       // room for a request
	out      []byte       // room for an answer
	hw       [hwRoom]byte // room for Datagram.HWAddr
	started
}

// hwRoom is as long as chaddr can be.
const hwRoom = 16

// served is a Conn that is being served, with the answers that its writer is to send.
type served struct {
	Conn
	answers chan *job
}

// loop is one call of Serve:
//
//	read, one a Conn -> queue -> work, up to maxWorkers -> answers -> write, one a Conn
//	       +<------------------------- free jobs <-----------------------+
//
// Where the Handler is a Starter, read has it begin on each request, and the queue is for what must be waited for:
//
//	read, one a Conn -> pending -> answers -> write, one a Conn
//
// No channel ever blocks a sender, because there are no more jobs than each has room for.
type loop struct {
	*Server
	starter Starter // the Handler, if it is one
	log     *zap.Logger
	conns   []*served
	queue   chan *job
	ctx     context.Context // of the handlers
	cancel  context.CancelFunc

	workers sync.WaitGroup
	jobs    sync.WaitGroup // in flight
	order   order

	mu                  sync.Mutex
	free                []*job
	made, maxJobs       int // how many jobs there are
	started, maxWorkers int
}

func newLoop(ctx context.Context, s *Server, conns []Conn) *loop {
	l := &loop{Server: s, log: s.Logger, maxWorkers: cmp.Or(s.Workers, defaultWorkers)}
	if h, ok := s.Handler.(Starter); ok && h.Self() == any(s.Handler) {
		l.starter = h
	}
	l.maxJobs = max(cmp.Or(s.MaxInFlight, defaultMaxInFlight), l.maxWorkers)
	l.queue = make(chan *job, l.maxJobs)
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if l.log == nil {
		l.log = zap.NewNop()
	}
	for _, c := range conns {
		l.conns = append(l.conns, &served{Conn: c, answers: make(chan *job, l.maxJobs)})
	}
	return l
}

// take returns a job that is free, or nil if all that there may be are in flight.
func (l *loop) take() *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		j := l.free[n-1] // the last one used, the likeliest to be in the processor's cache
		l.free = l.free[:n-1]
		return j
	}
	if l.made == l.maxJobs {
		return nil
	}
	l.made++
	return &job{in: make([]byte, 0, maxDatagram+1)}
}

// give takes back a job that is done with.
func (l *loop) give(j *job) {
	l.counters.inFlight.Add(-1)
	j.Datagram, j.conn = Datagram{}, nil
	l.mu.Lock()
	l.free = append(l.free, j)
	l.mu.Unlock()
	l.jobs.Done()
}

// forget makes room for another job than one that cannot be used again.
func (l *loop) forget() {
	l.counters.inFlight.Add(-1)
	l.mu.Lock()
	l.made--
	l.mu.Unlock()
	l.jobs.Done()
}

// handOver puts j in the queue. If no worker takes it at once, then it starts one more.
func (l *loop) handOver(j *job) {
	l.queue <- j
	if len(l.queue) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started < l.maxWorkers {
		l.started++
		l.workers.Go(l.work)
	}
}

// read hands over what arrives by c until ctx ends, or returns why it cannot.
func (l *loop) read(ctx context.Context, c *served) error {
	ds := make([]Datagram, maxBatch)
	for i := range ds {
		ds[i].Data = make([]byte, 0, maxDatagram+1)
	}
	failures, pause := 0, minReadPause
	for {
		n, err := c.ReadBatch(ds)
		now := time.Now()
		l.counters.received.Add(uint64(n))
		l.acceptAll(ds[:n], c, now)
		if err == nil {
			failures, pause = 0, minReadPause
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		failures++
		l.counters.readErrors.Add(1)
		l.log.Error("reading failed", zap.Error(err), zap.Int("in a row", failures))
		if errors.Is(err, net.ErrClosed) || failures == maxReadFailures {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, maxReadPause)
	}
}

// acceptAll hands over what has come together.
func (l *loop) acceptAll(ds []Datagram, c *served, now time.Time) {
	if l.starter != nil && len(ds) > 1 {
		l.starter.Hold()
		defer l.starter.Release()
	}
	for i := range ds {
		l.accept(&ds[i], c, now)
	}
}

// accept hands over one datagram, unless there is no room for it, and leaves d with a free buffer.
func (l *loop) accept(d *Datagram, c *served, now time.Time) {
	if len(d.Data) > maxDatagram {
		l.drop(DropTooLarge, d, now, nil)
		return
	}
	j := l.take()
	if j == nil {
		l.drop(DropOverload, d, now, nil)
		return
	}
	j.Datagram, j.conn, j.received = *d, c, now
	j.in, d.Data = d.Data, j.in
	j.client = clientOf(j.in)
	l.counters.inFlight.Add(1)
	l.jobs.Add(1)
	switch turn, waits := l.order.enter(j); {
	case turn && l.starter != nil:
		l.start(j)
	case turn:
		l.handOver(j)
	case !waits:
		l.drop(DropOverload, &j.Datagram, now, nil)
		l.give(j)
	}
}

// work answers what is in the queue until that is closed.
func (l *loop) work() {
	req := new(workRequest)
	for j := range l.queue {
		for j != nil {
			client := j.client // j is another's when it has been answered
			if sound := l.answer(j, req); !sound {
				req = new(workRequest) // the handler left it in the midst of something
			}
			j = l.order.leave(client)
			if j != nil && l.starter != nil {
				l.start(j)
				j = nil
			}
		}
	}
}

// workRequest is what a worker hands to the handler, again and again.
type workRequest struct {
	Request
	message Message
}

// answer works on one job, which is then on its way to the writer, or free. It reports false if the handler panicked.
func (l *loop) answer(j *job, req *workRequest) (sound bool) {
	defer func() {
		if !sound {
			l.panicked(j, recover())
		}
	}()
	if reason, err := l.decode(j, req); err != nil {
		l.drop(reason, &j.Datagram, j.received, err)
		l.give(j)
		return true
	}
	reply, err := l.Handler.ServeDHCP(l.ctx, &req.Request)
	l.conclude(j, req, reply, err)
	return true
}

// encode has what the handler says of j written. It reports whether an answer is on its way, or an error and what it
// counts as.
func (l *loop) encode(j *job, req *workRequest, reply *Message, err error) (reason DropReason, sent bool, _ error) {
	switch {
	case errors.Is(err, ErrRateLimited):
		return DropRateLimited, false, err
	case err != nil:
		return DropHandlerError, false, err
	case reply == nil:
		l.counters.silent.Add(1)
		return 0, false, nil
	}
	if j.out, err = reply.AppendBinary(j.out[:0]); err != nil {
		return DropUnencodable, false, err
	}
	destination := l.Destination
	if destination == nil {
		destination = DestinationOf
	}
	j.address(destination(req.Message, reply, j.Src), reply)
	j.conn.answers <- j
	return 0, true, nil
}

// address turns j from the request into the answer, which goes to dst. A routed answer takes the way that the routing
// table says, which need not be the one that the request took.
func (j *job) address(dst Destination, reply *Message) {
	j.Data = j.out
	// From the address that was asked, where that is one of ours; the Conn knows.
	j.Src, j.Dst = j.Dst, dst.Addr
	if !j.Local.IsValid() {
		// Not Local's, but better than none: an address that the client will see in the message anyway.
		j.Local, _ = reply.ServerIdentifier()
	}
	j.HWAddr = append(j.hw[:0], dst.HWAddr...)
	if !dst.Broadcast && len(dst.HWAddr) == 0 {
		j.Link = Link{}
	}
}

// write sends answers by c until there will be no more.
func (l *loop) write(c *served) {
	jobs := make([]*job, 0, maxBatch)
	ds := make([]Datagram, 0, maxBatch)
	for j := range c.answers {
		jobs, ds = append(jobs[:0], j), append(ds[:0], j.Datagram)
		runtime.Gosched() // what is about to be answered goes with it
	more:
		for len(jobs) < maxBatch {
			select {
			case j, ok := <-c.answers:
				if !ok {
					break more
				}
				jobs, ds = append(jobs, j), append(ds, j.Datagram)
			default:
				break more
			}
		}
		l.send(c, ds)
		for _, j := range jobs {
			l.give(j)
		}
	}
}

// send sends ds, without those that cannot be sent.
func (l *loop) send(c *served, ds []Datagram) {
	for len(ds) > 0 {
		n, err := c.WriteBatch(ds)
		l.counters.sent.Add(uint64(n))
		ds = ds[n:]
		if len(ds) == 0 {
			return
		}
		l.drop(DropWriteError, &ds[0], time.Now(), err)
		ds = ds[1:]
	}
}

// drop counts d, and logs it unless something else was dropped for the same reason less than a second ago.
func (l *loop) drop(r DropReason, d *Datagram, now time.Time, err error) {
	total := l.counters.dropped[r].Add(1)
	if !l.quiet[r].over(now) {
		return
	}
	level := zap.WarnLevel
	if r == DropUndecodable || r == DropNotRequest || r == DropRateLimited {
		level = zap.DebugLevel // somebody else's fault, and nothing to be done about it here
	}
	if e := l.log.Check(level, "dropped"); e != nil {
		e.Write(zap.Stringer("reason", r), zap.Error(err), zap.Uint64("so far", total), zap.Stringer("src", d.Src),
			zap.Stringer("dst", d.Dst), zap.String("link", d.Link.Name), zap.Int("octets", len(d.Data)))
	}
}

// quiet is the time until which nothing more is said of a matter, in nanoseconds since 1970.
type quiet struct{ until atomic.Int64 }

// over reports whether something may be said again, and then begins the next second of quiet.
func (q *quiet) over(now time.Time) bool {
	until := q.until.Load()
	return now.UnixNano() >= until && q.until.CompareAndSwap(until, now.Add(time.Second).UnixNano())
}

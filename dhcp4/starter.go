package dhcp4

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"go.uber.org/zap"
)

// ErrMustWait is what a Starter says of a request that can only be answered by waiting for something.
var ErrMustWait = errors.New("dhcp4: the answer must be waited for")

// Starter is a Handler that can be left alone while what it has decided is made durable. A Server has the goroutine that
// reads start what has come in, one after the other, so that many requests wait for the disk together and none needs a
// worker.
type Starter interface {
	Handler
	// StartDHCP is ServeDHCP for who must not be kept waiting. If the answer is known at once, it is returned. If pending
	// is true, done is called with the answer: once, by any goroutine, and perhaps before StartDHCP returns; until then
	// req is the Starter's. The error ErrMustWait, returned or told to done, says that ServeDHCP is to be called by
	// somebody who can wait. A Starter that panics must not call done.
	StartDHCP(ctx context.Context, req *Request, done func(*Message, error)) (reply *Message, pending bool, err error)
	// Hold says that several requests are about to be started, so that what they decide had better be made durable
	// together, after Release, which follows at once. Several may hold at a time.
	Hold()
	Release()
	// Self returns the Handler that StartDHCP is of. One that embeds this one, and has a ServeDHCP of its own, is another,
	// and is called as any Handler.
	Self() any
}

// started is what a job has for a Starter.
type started struct {
	req  *workRequest
	done func(*Message, error) // of this job
	lost atomic.Bool           // the Starter has panicked: nobody knows what it still holds
}

// start has the Starter begin on j, and on what has come from the same client since, until one of them is pending.
func (l *loop) start(j *job) {
	for j != nil {
		client := j.client // j is another's when it has been answered
		if !l.begin(j) {
			return
		}
		j = l.order.leave(client)
	}
}

// begin has the Starter begin on j. It reports whether j is over.
func (l *loop) begin(j *job) (over bool) {
	sound := false
	defer func() {
		if !sound {
			l.panicked(j, recover())
			over = true
		}
	}()
	if j.req == nil {
		j.req = new(workRequest)
		j.done = func(reply *Message, err error) { l.finished(j, reply, err) }
	}
	if reason, err := l.decode(j, j.req); err != nil {
		l.drop(reason, &j.Datagram, j.received, err)
		l.give(j)
		sound = true
		return true
	}
	reply, pending, err := l.starter.StartDHCP(l.ctx, &j.req.Request, j.done)
	switch {
	case pending:
	case errors.Is(err, ErrMustWait):
		l.handOver(j)
	default:
		l.conclude(j, j.req, reply, err)
		over = true
	}
	sound = true
	return over
}

// finished takes the answer to a pending request.
func (l *loop) finished(j *job, reply *Message, err error) {
	if j.lost.Load() {
		return
	}
	if errors.Is(err, ErrMustWait) {
		l.handOver(j)
		return
	}
	client, sound := j.client, false
	defer func() {
		if !sound {
			l.panicked(j, recover()) // whoever called must not pay for it
		}
		l.start(l.order.leave(client))
	}()
	l.conclude(j, j.req, reply, err)
	sound = true
}

// panicked ends a job in which a handler has panicked. What it held is not used again.
func (l *loop) panicked(j *job, why any) {
	j.lost.Store(true)
	l.counters.dropped[DropPanic].Add(1)
	l.log.Error("handler panicked", zap.Any("panic", why), zap.ByteString("stack", debug.Stack()),
		zap.Stringer("src", j.Src), zap.Binary("datagram", j.in))
	l.forget()
}

// decode reads the message of j into req, or returns what is wrong with it and what it counts as.
func (l *loop) decode(j *job, req *workRequest) (DropReason, error) {
	if len(j.Data) > 0 && OpCode(j.Data[0]) != OpcodeBootRequest {
		return DropNotRequest, fmt.Errorf("dhcp4: op is %v", OpCode(j.Data[0]))
	}
	if err := req.message.UnmarshalBinary(j.Data); err != nil {
		return DropUndecodable, err
	}
	r := &req.Request
	r.Message, r.Received, r.Link, r.Local, r.Src, r.Dst = &req.message, j.received, j.Link, j.Local, j.Src, j.Dst
	r.Reply.Reset()
	return 0, nil
}

// conclude brings the answer to j on its way, or counts why there is none. j is another's then.
func (l *loop) conclude(j *job, req *workRequest, reply *Message, err error) {
	if reason, sent, err := l.encode(j, req, reply, err); err != nil {
		l.drop(reason, &j.Datagram, j.received, err)
		l.give(j)
	} else if !sent {
		l.give(j)
	}
}

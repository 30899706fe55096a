package dhcp4

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Exchange is what became of one request, as Observe tells it.
type Exchange struct {
	Request *Request
	Reply   *Message // nil if there was none
	Err     error
	Took    time.Duration // from the reading of the datagram to the handler's answer
}

// Observe returns a Middleware that calls f after each request, for logs and metrics. f is called by several goroutines
// at once, on the way of the answer to the client, and must keep nothing of the Exchange. It is not called if the handler
// panics.
func Observe(f func(ctx context.Context, e Exchange)) Middleware {
	return func(h Handler) Handler {
		return HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
			reply, err := h.ServeDHCP(ctx, req)
			f(ctx, Exchange{Request: req, Reply: reply, Err: err, Took: time.Since(req.Received)})
			return reply, err
		})
	}
}

// ErrRateLimited is what a handler behind RateLimit.Middleware returns for a request that is one too many. A Server
// counts it apart.
var ErrRateLimited = errors.New("dhcp4: client asks too often")

// RateLimit bounds how often a client is heard, against one that runs wild. A client is known by htype and chaddr, so
// that it is no defence against a sender who invents those.
type RateLimit struct {
	// Every is how much time a request costs. A client that was silent long enough has Burst requests to spend at once;
	// zero is 10, what a client needs to come up twice through two relays.
	Every time.Duration
	Burst int
	// MaxClients bounds the table. Zero is 65,536, some 6 MB. When that many have been heard, those not heard lately
	// are forgotten, and start anew with a full Burst.
	MaxClients int
}

const (
	defaultBurst          = 10
	defaultLimitedClients = 1 << 16
)

// Validate returns an error that names the first field that is wrong.
func (r RateLimit) Validate() error {
	switch {
	case r.Every <= 0:
		return fmt.Errorf("dhcp4: RateLimit.Every is %v: want more than 0", r.Every)
	case r.Burst < 0:
		return fmt.Errorf("dhcp4: RateLimit.Burst is %d: want 1 or more, or 0 for %d", r.Burst, defaultBurst)
	case r.MaxClients < 0:
		return fmt.Errorf("dhcp4: RateLimit.MaxClients is %d: want 1 or more, or 0 for %d", r.MaxClients, defaultLimitedClients)
	}
	return nil
}

// Middleware returns a Middleware that answers a request over the limit with ErrRateLimited, or Validate's error. Time is
// that of Request.Received.
func (r RateLimit) Middleware() (Middleware, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	r.Burst, r.MaxClients = cmp.Or(r.Burst, defaultBurst), cmp.Or(r.MaxClients, defaultLimitedClients)
	l := &limiter{RateLimit: r, recent: make(map[clientKey]time.Time), old: make(map[clientKey]time.Time)}
	return func(h Handler) Handler {
		return HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
			if !l.allow(keyOf(req.Message), req.Received) {
				return nil, ErrRateLimited
			}
			return h.ServeDHCP(ctx, req)
		})
	}, nil
}

// clientKey is htype, hlen and chaddr.
type clientKey [2 + 16]byte

func keyOf(m *Message) (k clientKey) {
	k[0], k[1] = byte(m.HWType), byte(len(m.ClientHWAddr))
	copy(k[2:], m.ClientHWAddr)
	return k
}

// limiter keeps for each client the time when it will have paid for all that it asked (a leaky bucket as ATM's generic
// cell rate algorithm writes it). When recent is full it becomes old, and what was old is forgotten, so that nothing has
// to be searched for what may go.
type limiter struct {
	RateLimit
	mu          sync.Mutex
	recent, old map[clientKey]time.Time
}

func (l *limiter) allow(k clientKey, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	paid, known := l.recent[k]
	if !known {
		paid = l.old[k]
	}
	if paid.Before(now) {
		paid = now
	}
	paid = paid.Add(l.Every)
	if paid.Sub(now) > time.Duration(l.Burst)*l.Every {
		return false
	}
	if !known && len(l.recent) >= max(l.MaxClients/2, 1) {
		clear(l.old)
		l.recent, l.old = l.old, l.recent
	}
	l.recent[k] = paid
	return true
}

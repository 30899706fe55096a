package dhcp4

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestObserve(t *testing.T) { synctest.Test(t, testObserve) }

func testObserve(t *testing.T) {
	trouble := errors.New("trouble")
	var got []Exchange
	observe := Observe(func(_ context.Context, e Exchange) { got = append(got, e) })
	var reply *Message
	h := Chain(HandlerFunc(func(_ context.Context, req *Request) (*Message, error) {
		time.Sleep(time.Second) // of the bubble
		if req.TransactionID[3] == 1 {
			return nil, trouble
		}
		reply = &req.Reply
		return reply, nil
	}), observe)
	for x := range byte(2) {
		req := Request{Message: decode(discover(1 - x)), Received: time.Now()}
		r, err := h.ServeDHCP(t.Context(), &req)
		e := got[x]
		if e.Request != &req || e.Reply != r || !errors.Is(err, e.Err) || e.Took != time.Second {
			t.Errorf("told %+v, want what was returned: %v, %v", e, r, err)
		}
	}
	if !errors.Is(got[0].Err, trouble) || got[1].Reply != reply {
		t.Errorf("got %+v", got)
	}
}

func TestRateLimit(t *testing.T) {
	limit, err := RateLimit{Every: time.Second, Burst: 3, MaxClients: 4}.Middleware()
	if err != nil {
		t.Fatal(err)
	}
	h := limit(HandlerFunc(offer))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		at     time.Duration
		client byte
		heard  bool
		why    string
	}{
		{0, 1, true, "first of the burst"},
		{0, 1, true, "second"},
		{0, 1, true, "third"},
		{0, 1, false, "the burst is spent"},
		{0, 2, true, "another client"},
		{999 * time.Millisecond, 1, false, "not paid for yet"},
		{time.Second, 1, true, "paid for one"},
		{time.Second, 1, false, "and spent it"},
		{time.Minute, 1, true, "a new burst, first"},
		{time.Minute, 1, true, "second"},
		{time.Minute, 1, true, "third"},
		{time.Minute, 1, false, "not more than a burst is saved"},
		{time.Minute, 3, true, "a third client, the table turns over"},
		{time.Minute, 1, false, "the first one is remembered still"},
		{time.Minute, 4, true, "a fourth"},
		{time.Minute, 5, true, "a fifth, the table turns over"},
		{time.Minute, 1, true, "the first one is forgotten"},
	} {
		m := decode(discover(0))
		m.ClientHWAddr = []byte{2, 0, 0, 0, 0, step.client}
		reply, err := h.ServeDHCP(t.Context(), &Request{Message: m, Received: start.Add(step.at)})
		if heard := reply != nil; heard != step.heard || heard == errors.Is(err, ErrRateLimited) {
			t.Errorf("step %d, %s: heard %v with error %v", i, step.why, heard, err)
		}
	}
}

func TestRateLimitValidate(t *testing.T) {
	for _, tt := range []struct {
		limit RateLimit
		want  string
	}{
		{RateLimit{}, "RateLimit.Every is 0s"},
		{RateLimit{Every: 1, Burst: -1}, "RateLimit.Burst is -1"},
		{RateLimit{Every: 1, MaxClients: -1}, "RateLimit.MaxClients is -1"},
	} {
		if _, err := tt.limit.Middleware(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got error %v, want one with %q", err, tt.want)
		}
	}
}

func BenchmarkRateLimit(b *testing.B) {
	limit, err := RateLimit{Every: time.Nanosecond, MaxClients: 1000}.Middleware()
	if err != nil {
		b.Fatal(err)
	}
	h := limit(HandlerFunc(func(context.Context, *Request) (*Message, error) { return nil, nil }))
	req := Request{Message: decode(discover(0)), Received: time.Unix(1, 0)}
	hw := [6]byte{2}
	req.Message.ClientHWAddr = hw[:]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		hw[4], hw[5] = byte(i>>8), byte(i)
		h.ServeDHCP(b.Context(), &req)
	}
}

package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// wire joins two Transports in memory, so that both live in one synctest bubble.
type wire struct {
	mu    sync.Mutex
	down  bool
	side  [2]*pipeListener
	conns []net.Conn
}

type pipeTransport struct {
	w *wire
	i int
}

type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (t pipeTransport) Listen(context.Context) (net.Listener, error) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.w.side[t.i] = l
	return l, nil
}

func (t pipeTransport) Dial(ctx context.Context) (net.Conn, error) {
	t.w.mu.Lock()
	l, down := t.w.side[1-t.i], t.w.down
	t.w.mu.Unlock()
	if l == nil || down {
		return nil, errors.New("connection refused")
	}
	a, b := net.Pipe()
	select {
	case l.conns <- b:
	case <-l.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.w.mu.Lock()
	t.w.conns = append(t.w.conns, a, b)
	t.w.mu.Unlock()
	return a, nil
}

// cut ends all connections and lets no new one come up until it is called with false.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// flaky is a Store that can be made to fail.
type flaky struct {
	*lease.Memory
	mu    sync.Mutex
	err   error
	sizes []int // of what was written
}

func (f *flaky) set(err error) { f.mu.Lock(); f.err = err; f.mu.Unlock() }

// written returns how many changes each Apply since the last call had.
func (f *flaky) written() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sizes := f.sizes
	f.sizes = nil
	return sizes
}

func (f *flaky) Apply(ctx context.Context, b lease.Batch) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	err = f.Memory.Apply(ctx, b)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizes = append(f.sizes, len(b.Changes))
	return err
}

func (f *flaky) Load(ctx context.Context) (iter.Seq2[lease.Lease, error], []lease.Peer, error) {
	return f.Memory.Load(ctx)
}

// server is an Endpoint that runs.
type server struct {
	*Endpoint
	store *flaky
	book  *lease.Book
	pool  *pool.Pool
	logs  *observer.ObservedLogs
	stop  func()

	mu     sync.Mutex
	differ []Difference
}

// differences returns in what the partner's configuration was said to differ.
func (s *server) differences() []Difference {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.differ
}

func startServer(t *testing.T, w *wire, role Role, store *flaky) *server {
	t.Helper()
	s := &server{store: store}
	var err error
	if s.book, err = lease.OpenBook(t.Context(), store, lease.BookConfig{}); err != nil {
		t.Fatal(err)
	}
	s.pool, err = pool.New(pool.Config{Name: "net", Ranges: []pool.Range{{
		First: netip.MustParseAddr("10.0.10.10"), Last: netip.MustParseAddr("10.0.10.250")}}}, s.book)
	if err != nil {
		t.Fatal(err)
	}
	s.book.Observe(s.pool)
	hba, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Name: "ha-dhcp", Role: role, MaxSecs: 3, MaxUnacked: 10, ReceiveTimer: time.Minute, Pools: []*pool.Pool{s.pool},
		Local:   netip.MustParseAddrPort(fmt.Sprintf("10.0.10.%d:678", 251+int(role))),
		Partner: netip.MustParseAddrPort(fmt.Sprintf("10.0.10.%d:678", 252-int(role))),
	}
	if role == Primary {
		cfg.MCLT, cfg.HBA = time.Hour, &hba
	}
	core, logs := observer.New(zapcore.DebugLevel)
	s.logs = logs
	if s.Endpoint, err = NewEndpoint(cfg, s.book, Options{Transport: pipeTransport{w, int(role)}, Logger: zap.New(core)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *server) want(t *testing.T, state State) {
	t.Helper()
	synctest.Wait()
	if got := s.Status().State; got != state {
		t.Errorf("%v is in %v, want %v", s.cfg.Role, got, state)
		for _, l := range s.logs.All() {
			t.Logf("%v %s", s.cfg.Role, l.Message)
		}
	}
}

// heard lets the partner take in what it was told.
func heard() {
	time.Sleep(maxRest) // of the bubble
	synctest.Wait()
}

// give does what dora does for a new client.
func (s *server) give(ctx context.Context, c lease.Client) (lease.Lease, error) {
	now := lease.Second(time.Now())
	old, ok := s.pool.Pick(s.cfg.Role.own(), func(l lease.Lease) bool { return s.Mine(now, l) })
	if !ok {
		return lease.Lease{}, errors.New("no free leases")
	}
	want := now.Add(24 * time.Hour)
	until, err := s.Limit(now, old, c, want)
	if err != nil {
		return lease.Lease{}, err
	}
	l := old
	l.Status, l.Client, l.LastTransaction, l.Expiry, l.SentPotentialExpiry = lease.Active, c, now, until, want
	return l, s.Commit(ctx, lease.Change{Old: old, New: l})
}

func TestEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		p := startServer(t, w, Primary, &flaky{Memory: lease.NewMemory()})
		s := startServer(t, w, Secondary, &flaky{Memory: lease.NewMemory()})
		time.Sleep(6 * time.Second) // of the bubble: one attempt to reconnect
		p.want(t, Normal)
		s.want(t, Normal)
		if c := s.pool.Counts(); c.Free != 121 || c.Backup != 120 {
			t.Errorf("%d free, %d backup, want 121, 120", c.Free, c.Backup)
		}
		one := mac(1)
		l, err := p.give(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		heard()
		if got := s.book.Get(l.Addr); got.Status != lease.Active || got.Client != one {
			t.Errorf("partner has %v of %v", got.Status, got.Client)
		}
		if err := p.Commit(t.Context(), lease.Change{Old: lease.Virgin(l.Addr), New: l}); !errors.Is(err, lease.ErrConflict) {
			t.Errorf("a stale change is answered with %v, want ErrConflict", err)
		}
		var ours, theirs int
		for i := range byte(64) {
			switch err := p.Serves([]byte(mac(i).STID()), 0); {
			case err == nil:
				ours++
			case errors.Is(err, ErrBalanced):
				theirs++
			}
			if (p.Serves([]byte(mac(i).STID()), 0) == nil) == (s.Serves([]byte(mac(i).STID()), 0) == nil) {
				t.Errorf("client %d is served by both or none", i)
			}
			if p.Serves([]byte(mac(i).STID()), 4) != nil || s.Serves([]byte(mac(i).STID()), 4) != nil {
				t.Errorf("client %d is not served by both after 4 s", i)
			}
		}
		if ours == 0 || theirs == 0 {
			t.Errorf("%d clients ours, %d the partner's", ours, theirs)
		}

		w.cut(true)
		p.want(t, CommunicationsInterrupted)
		s.want(t, CommunicationsInterrupted)
		if err := p.Serves([]byte(mac(2).STID()), 0); err != nil {
			t.Errorf("alone and yet: %v", err)
		}
		if _, err := s.give(t.Context(), mac(3)); err != nil {
			t.Error(err)
		}
		w.cut(false)
		time.Sleep(6 * time.Second)
		p.want(t, Normal)
		s.want(t, Normal)

		s.stop()
		p.want(t, CommunicationsInterrupted)
		if err := s.Commit(t.Context(), lease.Change{}); !errors.Is(err, ErrStopped) {
			t.Errorf("a stopped endpoint says %v", err)
		}
		s.store.Reopen()
		s = startServer(t, w, Secondary, s.store)
		time.Sleep(6 * time.Second)
		p.want(t, Normal)
		s.want(t, Normal)
		for l := range p.book.All() {
			if got := s.book.Get(l.Addr); got.Status != l.Status || got.Client != l.Client {
				t.Errorf("%v is %v here, %v there", l.Addr, l.Status, got.Status)
			}
		}
	})
}

func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		p := startServer(t, w, Primary, &flaky{Memory: lease.NewMemory()})
		s := startServer(t, w, Secondary, &flaky{Memory: lease.NewMemory()})
		time.Sleep(6 * time.Second)
		p.want(t, Normal)
		full := errors.New("no space left on device")
		p.store.set(full)
		if _, err := p.give(t.Context(), mac(1)); !errors.Is(err, full) {
			t.Errorf("committed to a full disk: %v", err)
		}
		s.want(t, CommunicationsInterrupted)
		time.Sleep(10 * time.Minute)
		if n := p.logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n == 0 || n > 2000 {
			t.Errorf("%d errors logged in ten minutes of a full disk", n)
		}
		p.store.set(nil)
		time.Sleep(6 * time.Second)
		p.want(t, Normal)
		s.want(t, Normal)
		if _, err := p.give(t.Context(), mac(1)); err != nil {
			t.Errorf("room again, and yet: %v", err)
		}
	})
}

func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		p := startServer(t, w, Secondary, &flaky{Memory: lease.NewMemory()})
		synctest.Wait()
		me := pipeTransport{w, 0}
		for name, f := range map[string]*Frame{
			"STATE before CONNECT": {Time: time.Now(), Body: &StateReport{State: PartnerDown}},
			"wrong name":           {Time: time.Now(), Body: connectBody("other", time.Hour)},
			"clock off":            {Time: time.Now().Add(61 * time.Second), Body: connectBody("ha-dhcp", time.Hour)},
			"no MCLT":              {Time: time.Now(), Body: connectBody("ha-dhcp", 0)},
		} {
			c, err := me.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b, err := f.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			if answer, err := NewReader(c).ReadFrame(); err == nil {
				if ack, ok := answer.Body.(*ConnectAck); !ok || ack.Reason == 0 {
					t.Errorf("%s is answered by %v", name, answer)
				}
			}
			synctest.Wait()
			if st := p.Status(); st.Connected || st.Partner != 0 {
				t.Errorf("%s: connected %v, partner %v", name, st.Connected, st.Partner)
			}
			c.Close()
		}
		// One who says nothing is sent away.
		c, err := me.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(began) > handshakeTime {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func connectBody(name string, mclt time.Duration) *Connect {
	return &Connect{Name: name, MCLT: mclt, MaxUnacked: 10, ReceiveTimer: time.Minute, Version: 1}
}

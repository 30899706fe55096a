package dhcp4

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowDisk is a Starter whose answers wait until the test sends some of them.
type slowDisk struct {
	mu      sync.Mutex
	pending []func()
	held    int // Holds that are not released
	started []byte
	served  []byte
	begin   func(x byte) error // what StartDHCP says of a request at once; nil: that it is pending
}

func (d *slowDisk) ServeDHCP(ctx context.Context, req *Request) (*Message, error) {
	d.mu.Lock()
	d.served = append(d.served, req.TransactionID[3])
	d.mu.Unlock()
	return offer(ctx, req)
}

func (d *slowDisk) StartDHCP(ctx context.Context, req *Request, done func(*Message, error)) (*Message, bool, error) {
	x := req.TransactionID[3]
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started = append(d.started, x)
	if d.begin != nil {
		if err := d.begin(x); err != nil {
			return nil, false, err
		}
	}
	d.pending = append(d.pending, func() { done(offer(ctx, req)) })
	return nil, true, nil
}

func (d *slowDisk) Hold()     { d.mu.Lock(); d.held++; d.mu.Unlock() }
func (d *slowDisk) Release()  { d.mu.Lock(); d.held--; d.mu.Unlock() }
func (d *slowDisk) Self() any { return d }

// sync answers what is pending, the last first.
func (d *slowDisk) sync() {
	d.mu.Lock()
	now := d.pending
	d.pending = nil
	d.mu.Unlock()
	for _, f := range slices.Backward(now) {
		f()
	}
}

// from returns a DHCPDISCOVER number x of client c.
func from(c, x byte) Datagram {
	d := discover(x)
	d.Data[chaddrAt] = c
	return d
}

func TestStarterNeedsNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(slowDisk)
		r := serve(&Server{Handler: d, Workers: 1})
		for x := range byte(20) {
			r.conn.arriving <- from(x, x)
		}
		synctest.Wait()
		if len(d.started) != 20 || len(d.served) != 0 {
			t.Fatalf("%d started and %d served of 20", len(d.started), len(d.served))
		}
		go d.sync()
		for range 20 {
			<-r.conn.sent
		}
		if st := r.finish(t); st.Sent != 20 {
			t.Errorf("%d sent, want 20", st.Sent)
		}
		if d.held != 0 {
			t.Errorf("held %d times more than released", d.held)
		}
	})
}

func TestStarterKeepsTheOrderOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(slowDisk)
		r := serve(&Server{Handler: d})
		for x := range byte(6) {
			r.conn.arriving <- from(x%2, x)
		}
		for round := range byte(3) {
			synctest.Wait()
			slices.Sort(d.started)
			if want := []byte{2 * round, 2*round + 1}; !slices.Equal(d.started, want) {
				t.Fatalf("in round %d started %v, want %v: one of each client", round, d.started, want)
			}
			d.started = nil
			d.sync()
			<-r.conn.sent
			<-r.conn.sent
		}
		r.finish(t)
	})
}

func TestStarterThatMustWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDisk{begin: func(x byte) error {
			if x == 1 {
				return ErrMustWait
			}
			return nil
		}}
		r := serve(&Server{Handler: d})
		for x := range byte(4) {
			r.conn.arriving <- from(9, x) // of one client: the later wait for the earlier
		}
		for range 3 {
			synctest.Wait()
			d.sync()
		}
		var got []byte
		for range 4 {
			got = append(got, decode(<-r.conn.sent).TransactionID[3])
			d.sync()
		}
		if want := []byte{0, 1, 2, 3}; !slices.Equal(got, want) || !slices.Equal(d.served, []byte{1}) {
			t.Errorf("answered %v and served %v, want %v, and the second by somebody who can wait", got, d.served, want)
		}
		r.finish(t)
	})
}

func TestStarterPanicsAndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDisk{}
		d.begin = func(x byte) error {
			switch x {
			case 1:
				panic("at the start")
			case 2:
				return errors.New("no")
			}
			return nil
		}
		r := serve(&Server{Handler: d, MaxInFlight: 1, Workers: 1})
		for x := range byte(5) {
			r.conn.arriving <- from(x, x)
			synctest.Wait()
			if x != 1 && x != 2 {
				go d.sync()
				<-r.conn.sent
				synctest.Wait()
			}
		}
		st := r.finish(t)
		if st.Sent != 3 || st.Dropped[DropPanic] != 1 || st.Dropped[DropHandlerError] != 1 {
			t.Errorf("%+v, want 3 sent, a panic and an error", st)
		}
	})
}

func TestServeWaitsForWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(slowDisk)
		r := serve(&Server{Handler: d})
		r.conn.arriving <- from(1, 1)
		synctest.Wait()
		r.stop()
		go func() {
			time.Sleep(time.Second)
			d.sync()
		}()
		if got := decode(<-r.conn.sent); got.TransactionID[3] != 1 {
			t.Errorf("sent %v", got)
		}
		if err := <-r.err; err != nil {
			t.Error(err)
		}
		r.check(t)
	})
}

// careful embeds a Starter and has a ServeDHCP of its own, which must not be gone around.
type careful struct{ *slowDisk }

func (careful) ServeDHCP(context.Context, *Request) (*Message, error) { return nil, nil }

func TestStarterIsNotTheOneEmbedded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(slowDisk)
		r := serve(&Server{Handler: careful{d}})
		r.conn.arriving <- from(1, 1)
		synctest.Wait()
		if st := r.finish(t); st.Silent != 1 || len(d.started) != 0 {
			t.Errorf("%+v, and %d started past the handler", st, len(d.started))
		}
	})
}

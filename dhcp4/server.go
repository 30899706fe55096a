package dhcp4

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Server reads requests from Conns, has a Handler answer them, and sends the answers. Only Handler must be set. The fields
// must not be changed once Serve is called.
//
// For each Conn one goroutine reads and one writes, in batches; in between, workers call the Handler, which may take its
// time, for one to make a lease durable; a Handler that is a Starter is called by who reads, and by workers only where it
// must wait. The messages of one client are handled one after another, as they came. All are bounded, and past the bound datagrams are counted and dropped: a client asks again. A server at work allocates
// nothing for a datagram.
type Server struct {
	Handler Handler
	// Logger hears of what goes wrong, each kind of thing at most once a second, and of every panic. Nil is silent.
	Logger *zap.Logger
	// Workers bounds how many calls of Handler are under way. Zero is 256. They are started as they are needed.
	Workers int
	// MaxInFlight bounds how many datagrams are between reading and writing, those that wait for a worker and those that
	// wait to be sent included. Zero is 1024, about 6 MB when all are in use. It is at least Workers.
	MaxInFlight int
	// DrainTimeout is how long handlers go on undisturbed after the context of Serve ends, before the one of theirs ends
	// too. Zero is 5 s.
	DrainTimeout time.Duration
	// Destination says where an answer goes, DestinationOf if nil. It is for servers on other ports than 67 and 68, and
	// is called with req and reply as the handler left them. The result may have views of them.
	Destination func(req, reply *Message, src netip.AddrPort) Destination

	counters counters
	quiet    [dropReasons]quiet
}

// What Server's fields are where they are zero.
const (
	defaultWorkers      = 256
	defaultMaxInFlight  = 1024
	defaultDrainTimeout = 5 * time.Second
)

const (
	// maxDatagram bounds a request, in octets of DHCP: much more than fits an Ethernet frame.
	maxDatagram = 4096
	// maxReadFailures in a row end Serve.
	maxReadFailures = 10
	// After a failure reading rests for minReadPause, after each further one twice as long, up to maxReadPause.
	minReadPause = 5 * time.Millisecond
	maxReadPause = time.Second
)

// Validate returns an error that names the first field that is wrong.
func (s *Server) Validate() error {
	switch {
	case s.Handler == nil:
		return errors.New("dhcp4: Server.Handler is nil: who should answer?")
	case s.Workers < 0:
		return fmt.Errorf("dhcp4: Server.Workers is %d: want 1 or more, or 0 for %d", s.Workers, defaultWorkers)
	case s.MaxInFlight < 0:
		return fmt.Errorf("dhcp4: Server.MaxInFlight is %d: want 1 or more, or 0 for %d", s.MaxInFlight, defaultMaxInFlight)
	case s.DrainTimeout < 0:
		return fmt.Errorf("dhcp4: Server.DrainTimeout is %v: want more than 0, or 0 for %v", s.DrainTimeout, defaultDrainTimeout)
	}
	return nil
}

// Serve answers what arrives by conns until ctx ends. Then it stops reading, lets what is in flight finish, sends the
// answers, closes conns and returns nil. It does the same, and returns an error, if reading from a Conn fails ten times
// in a row or somebody else closes one. A Server may serve several times, also at once; its bounds are for each.
//
// The context of the handlers has the values of ctx. It ends DrainTimeout after ctx does, and Serve waits for handlers
// that do not heed that.
func (s *Server) Serve(ctx context.Context, conns ...Conn) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if len(conns) == 0 {
		return errors.New("dhcp4: serving without a Conn")
	}
	l := newLoop(ctx, s, conns)
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var readers, writers sync.WaitGroup
	for _, c := range l.conns {
		readers.Go(func() {
			if err := l.read(reading, c); err != nil {
				stop(err)
			}
		})
		writers.Go(func() { l.write(c) })
	}
	<-reading.Done()
	var errs []error
	if ctx.Err() == nil {
		errs = append(errs, context.Cause(reading))
	}
	for _, c := range l.conns {
		if err := c.CloseRead(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("dhcp4: closing for reading: %w", err))
		}
	}
	readers.Wait()
	hurry := time.AfterFunc(cmp.Or(s.DrainTimeout, defaultDrainTimeout), l.cancel)
	l.jobs.Wait()
	close(l.queue)
	l.workers.Wait()
	hurry.Stop()
	l.cancel()
	for _, c := range l.conns {
		close(c.answers)
	}
	writers.Wait()
	for _, c := range l.conns {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("dhcp4: closing: %w", err))
		}
	}
	return errors.Join(errs...)
}

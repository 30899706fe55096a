package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// Bounds of the control socket: it is for one operator.
const (
	maxOrder     = 256              // octets of a line
	orderTime    = 10 * time.Second // for a whole conversation
	maxOperators = 4                // at a time
)

// control takes orders on a Unix socket, a line each: an order and the name of a relationship, and perhaps the word
// force; or "status". The answer is a line for each relationship, and "ok" or "error: ..." at the end. Only the owner of
// the process may connect.
type control struct {
	listener  net.Listener
	endpoints []*failover.Endpoint
}

// listenControl makes the socket, in place of one that a dead process left.
func listenControl(path string, endpoints []*failover.Endpoint) (*control, error) {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %s: a living process listens there", path)
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("control socket %s: there is a file that is no socket", path)
	} else if err == nil {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), l.Close())
	}
	return &control{l, endpoints}, nil
}

// run serves operators until ctx is done.
func (c *control) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { c.listener.Close() })()
	var operators sync.WaitGroup
	defer operators.Wait()
	places := make(chan struct{}, maxOperators)
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("control socket: %w", err)
		}
		select {
		case places <- struct{}{}:
			operators.Go(func() {
				defer func() { <-places }()
				defer conn.Close()
				c.talk(ctx, conn)
			})
		default:
			conn.Close()
		}
	}
}

// talk carries out one order.
func (c *control) talk(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	if err := conn.SetDeadline(time.Now().Add(orderTime)); err != nil {
		return
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxOrder)).ReadString('\n')
	if err != nil {
		fmt.Fprintf(conn, "error: no order in a line of at most %d octets\n", maxOrder)
		return
	}
	if err := c.order(ctx, strings.Fields(line), conn); err != nil {
		fmt.Fprintf(conn, "error: %v\n", err)
		return
	}
	fmt.Fprintln(conn, "ok")
}

// order carries out an order in words: "partner-down ha-dhcp force".
func (c *control) order(ctx context.Context, words []string, w io.Writer) error {
	if len(words) == 1 && words[0] == "status" {
		for _, e := range c.endpoints {
			s := e.Status()
			fmt.Fprintf(w, "%s %v %v since %s, peer %v, connected %v, unacked %d, mclt %v\n", s.Name, s.Role, s.State,
				s.Since.Format(time.RFC3339), s.Partner, s.Connected, s.Unacked, s.MCLT)
		}
		return nil
	}
	if len(words) < 2 || len(words) > 3 || len(words) == 3 && words[2] != "force" {
		return errors.New("want \"status\", or an order, the name of a relationship, and perhaps \"force\"")
	}
	kind, ok := failover.ParseOrderKind(words[0])
	if !ok {
		return fmt.Errorf("no such order: %s", words[0])
	}
	for _, e := range c.endpoints {
		if e.Status().Name == words[1] {
			return e.Order(ctx, failover.Order{Kind: kind, Force: len(words) == 3})
		}
	}
	return fmt.Errorf("no such relationship: %s", words[1])
}

// give sends an order to a running server and prints its answer. It returns the exit code.
func give(path, order string, stdout, stderr io.Writer) int {
	conn, err := net.Dial("unix", path)
	if err != nil {
		fmt.Fprintln(stderr, "dhcpd:", err)
		return 1
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * orderTime)); err != nil {
		fmt.Fprintln(stderr, "dhcpd:", err)
		return 1
	}
	fmt.Fprintln(conn, order)
	answer, err := io.ReadAll(conn)
	fmt.Fprint(stdout, string(answer))
	if err != nil {
		fmt.Fprintln(stderr, "dhcpd:", err)
		return 1
	}
	if !strings.HasSuffix(string(answer), "ok\n") {
		return 1
	}
	return 0
}

package failover

import (
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// channel is the messages of one connection, each with its digest if there is a secret.
type channel struct {
	conn net.Conn
	r    *Reader
	seal *seal
}

func newChannel(conn net.Conn, s *seal) *channel {
	return &channel{conn: conn, r: NewReader(conn), seal: s}
}

// write waits until f is written. It is for the handshake; afterwards the link writes.
func (c *channel) write(f *Frame) error {
	b, err := c.seal.appendFrame(nil, f)
	if err == nil {
		_, err = c.conn.Write(b)
	}
	return err
}

// read waits for the next message. If its digest is not as it must be it returns an error that wraps the reason, and the
// message only to be refused. Other errors are those of Reader.ReadFrame.
func (c *channel) read() (*Frame, error) {
	b, err := c.r.message()
	if err != nil {
		return nil, err
	}
	refused := c.seal.check(b)
	f := new(Frame)
	err = f.UnmarshalBinary(b)
	switch {
	case err != nil && refused != nil:
		return nil, refused
	case err != nil:
		return nil, err
	case c.seal == nil && f.Digest != (Digest{}):
		refused = RejectDigestUnconfigured
	}
	return f, refused
}

// first reads the message with which the partner begins.
func (c *channel) first() (*Frame, error) {
	f, err := c.read()
	if f == nil && isTLS(c.r.buf[c.r.from:c.r.to]) {
		err = errSpeaksTLS
	}
	return f, err
}

// digestReason returns the reason if err is about a digest.
func digestReason(err error) (RejectReason, bool) {
	var r RejectReason
	if errors.As(err, &r) {
		switch r {
		case RejectDigestUnsupported, RejectDigestUnconfigured, RejectDigestMismatch, RejectDigestMissing:
			return r, true
		}
	}
	return 0, false
}

// newest is the latest time that a CONNECT has borne which was proven to be the partner's. Draft 11.1: one that bears
// this or an earlier time is an old one, sent again by somebody who heard it.
type newest struct {
	mu sync.Mutex
	at time.Time
}

// newer reports whether t is later than all before it, and remembers it. A clock that is set back keeps the partner out
// for twice the skew that is allowed at most, since no CONNECT counts that is further ahead. A restart forgets it: for as
// long as that skew an old CONNECT is then taken, and with DigestHMACSHA256 nothing after it.
func (n *newest) newer(t time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !t.After(n.at) {
		return false
	}
	n.at = t
	return true
}

// So many warnings about connections that came to nothing are made in so much time: whoever knocks fast does not fill the
// log.
const (
	maxComplaints = 10
	complaintTime = 10 * time.Second
)

// complaints bounds how often something is said.
type complaints struct {
	mu    sync.Mutex
	since time.Time
	count int
}

// level is l, or Debug if enough has been said of late.
func (c *complaints) level(now time.Time, l zapcore.Level) zapcore.Level {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l == zapcore.DebugLevel {
		return l
	}
	if now.Sub(c.since) >= complaintTime {
		c.since, c.count = now, 0
	}
	if c.count == maxComplaints {
		return zapcore.DebugLevel
	}
	c.count++
	return l
}

// callers are the connections on which the handshake is under way, the oldest first. When one more comes than there is
// room for, the oldest is given up: those who come and say nothing do not keep the partner out, who is done within a
// round trip. Where the partner can be dialled they could not anyhow, since that needs no room here.
type callers struct {
	mu      sync.Mutex
	waiting []*caller
}

type caller struct{ hangUp func() }

// enter makes room for c.
func (cs *callers) enter(c *caller) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.waiting) == maxHandshakes {
		cs.waiting[0].hangUp()
		cs.waiting = append(cs.waiting[:0], cs.waiting[1:]...)
	}
	cs.waiting = append(cs.waiting, c)
}

// leave frees the room of c, if it still has it.
func (cs *callers) leave(c *caller) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for i := range cs.waiting {
		if cs.waiting[i] == c {
			cs.waiting = append(cs.waiting[:i], cs.waiting[i+1:]...)
			return
		}
	}
}

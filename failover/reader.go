package failover

import (
	"fmt"
	"io"
)

const (
	readBuffer = 4096 // octets: two messages of the greatest length
	maxEmpty   = 100  // reads in a row that give neither octets nor an error
)

// Reader reads messages off a stream, however the stream cuts them. It holds one buffer of 4096 octets and never more
// of the stream than that. It is not safe for concurrent use.
type Reader struct {
	r        io.Reader
	err      error // what ended r
	from, to int   // what of buf has been read and not been used
	buf      [readBuffer]byte
}

// NewReader returns a Reader of the messages in r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// ReadFrame waits for the next message and returns it; the Frame is the caller's.
//
// It returns io.EOF where the stream ends between two messages, and what the stream's Read returned, wrapped, where
// that failed. Else the error is a *FrameError: where the message is bad in itself (see Frame.UnmarshalBinary) the next
// call reads the message after it; where the length is, or where the stream ends within a message
// (io.ErrUnexpectedEOF), there is none, and every further call returns the same.
func (r *Reader) ReadFrame() (*Frame, error) {
	b, err := r.message()
	if err != nil {
		return nil, err
	}
	f := new(Frame)
	if err := f.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	return f, nil
}

// Buffered reports whether ReadFrame would return at once: a whole message, or an error, is here already. So one who
// works in batches takes what there is, and waits no longer.
func (r *Reader) Buffered() bool {
	b := r.buf[r.from:r.to]
	if r.err != nil {
		return true
	}
	if len(b) < 2 {
		return false
	}
	n, err := frameLength(b)
	return err != nil || len(b) >= n
}

// message returns the octets of the next message, part of r.buf until the next call.
func (r *Reader) message() ([]byte, error) {
	if err := r.fill(2); err != nil {
		return nil, err
	}
	n, err := frameLength(r.buf[r.from:r.to])
	if err != nil {
		return nil, err
	}
	if err := r.fill(n); err != nil {
		return nil, err
	}
	b := r.buf[r.from : r.from+n]
	r.from += n
	return b, nil
}

// fill reads until n octets of one message, at most maxFrame, are in the buffer.
func (r *Reader) fill(n int) error {
	for empty := 0; r.to-r.from < n; {
		if r.err != nil {
			return r.ended()
		}
		if r.from == r.to || r.from+n > len(r.buf) {
			r.to = copy(r.buf[:], r.buf[r.from:r.to])
			r.from = 0
		}
		var got int
		got, r.err = r.r.Read(r.buf[r.to:])
		r.to += got
		if got > 0 {
			empty = 0
		} else if empty++; r.err == nil && empty == maxEmpty {
			r.err = io.ErrNoProgress
		}
	}
	return nil
}

// ended returns what the end of the stream means to one who wants more octets of a message.
func (r *Reader) ended() error {
	switch b := r.buf[r.from:r.to]; {
	case r.err != io.EOF:
		return fmt.Errorf("failover: reading a message: %w", r.err)
	case len(b) == 0:
		return io.EOF
	case len(b) < 3:
		return &FrameError{Octet: len(b), Err: io.ErrUnexpectedEOF}
	default:
		return &FrameError{Type: MessageType(b[2]), Octet: len(b), Err: io.ErrUnexpectedEOF}
	}
}

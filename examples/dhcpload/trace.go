package main

import (
	"bufio"
	"io"
	"strconv"
	"time"
)

// outcome is how an exchange ended.
type outcome string

const (
	gotAck    outcome = "ack"
	gotNak    outcome = "nak"
	noOffer   outcome = "no-offer"
	noAck     outcome = "no-ack"
	noRenewal outcome = "no-renewal"
)

// traceHeader are the columns of a trace: when an exchange began, in microseconds since 1970; how long it took, in
// microseconds; how it ended; and the server that the client had chosen, if any.
const traceHeader = "began_us,took_us,outcome,server\n"

// trace writes a line for each exchange that is over, in the order in which they end. A nil trace writes none.
type trace struct {
	w    *bufio.Writer
	line []byte
}

func newTrace(w io.Writer) *trace {
	if w == nil {
		return nil
	}
	t := &trace{w: bufio.NewWriterSize(w, 1<<16)}
	_, _ = t.w.WriteString(traceHeader) // an error comes back with flush
	return t
}

// over takes down the exchange of c that ends now.
func (t *trace) over(now time.Time, c *client, o outcome) {
	if t == nil {
		return
	}
	b := strconv.AppendInt(t.line[:0], c.began.UnixMicro(), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, now.Sub(c.began).Microseconds(), 10)
	b = append(b, ',')
	b = append(b, o...)
	b = append(b, ',')
	if c.server != 0 && o != noOffer {
		b = address(c.server).AppendTo(b)
	}
	t.line = append(b, '\n')
	_, _ = t.w.Write(t.line) // likewise
}

// flush writes what is left, and returns the first error there was.
func (t *trace) flush() error {
	if t == nil {
		return nil
	}
	return t.w.Flush()
}

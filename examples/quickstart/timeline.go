package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// timeline prints what happens, with the seconds since the start before it.
type timeline struct {
	mu    sync.Mutex
	w     io.Writer
	began time.Time
}

func newTimeline(w io.Writer) *timeline { return &timeline{w: w, began: time.Now()} }

func (t *timeline) line(mark, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%6.2fs %s %s\n", time.Since(t.began).Seconds(), mark, fmt.Sprintf(format, args...))
}

func (t *timeline) chapter(format string, args ...any) { t.line("==", format, args...) }
func (t *timeline) say(format string, args ...any)     { t.line("  ", format, args...) }

func (t *timeline) progress(c *crowd) {
	n := c.tally()
	t.line("  ", "... %d clients bound, %d DHCPACKs, addresses held twice: %d", n.bound, n.acks, n.twice)
}

// states is the log of a server, of which the timeline shows the changes of state and what goes wrong, while it is shown
// at all.
type states struct {
	show  *timeline
	name  string
	shown atomic.Bool
}

func (s *states) logger() *zap.Logger { return zap.New(s) }

func (s *states) Enabled(l zapcore.Level) bool      { return l >= zapcore.InfoLevel }
func (s *states) With([]zapcore.Field) zapcore.Core { return s }
func (s *states) Sync() error                       { return nil }
func (s *states) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if s.Enabled(e.Level) {
		return c.AddCore(e, s)
	}
	return c
}

func (s *states) Write(e zapcore.Entry, _ []zapcore.Field) error {
	if s.shown.Load() && (strings.Contains(e.Message, "I move from") || e.Level >= zapcore.ErrorLevel) {
		s.show.line("  ", "%-9s %s", s.name, e.Message)
	}
	return nil
}

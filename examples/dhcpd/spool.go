package main

import (
	"sync"

	"go.uber.org/zap/zapcore"
)

// maxSpool bounds the log that waits to be written, in octets. Past it whoever logs waits.
const maxSpool = 1 << 20

// spool writes a log from a goroutine of its own, so that clients do not wait for it: what came while it wrote, it writes
// together next. What is in it is lost if the process is killed.
type spool struct {
	write func(text []byte, lines []line)

	mu      sync.Mutex
	changed sync.Cond
	text    []byte
	lines   []line
	busy    bool // what was in text is being written
	ended   bool
	done    chan struct{}
}

// line is where a line of the text ends, behind its newline.
type line struct {
	end   int
	level zapcore.Level
}

// newSpool returns a spool that calls write with what there is. write must keep nothing.
func newSpool(write func(text []byte, lines []line)) *spool {
	s := &spool{write: write, done: make(chan struct{})}
	s.changed.L = &s.mu
	go s.run()
	return s
}

// add takes in a line, without its newline.
func (s *spool) add(level zapcore.Level, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.text) > maxSpool && !s.ended {
		s.changed.Wait()
	}
	s.text = append(append(s.text, text...), '\n')
	s.lines = append(s.lines, line{len(s.text), level})
	if len(s.lines) == 1 {
		s.changed.Broadcast()
	}
}

func (s *spool) run() {
	defer close(s.done)
	var text []byte
	var lines []line
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.lines) == 0 && !s.ended {
			s.changed.Wait()
		}
		if len(s.lines) == 0 {
			return
		}
		text, s.text = s.text, text[:0]
		lines, s.lines = s.lines, lines[:0]
		s.busy = true
		s.mu.Unlock()
		s.write(text, lines)
		s.mu.Lock()
		s.busy = false
		s.changed.Broadcast()
	}
}

// flush waits until all that was added is written.
func (s *spool) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.lines) > 0 || s.busy {
		s.changed.Wait()
	}
}

// close writes what there is, and ends. Nothing may be added afterwards.
func (s *spool) close() {
	s.mu.Lock()
	s.ended = true
	s.changed.Broadcast()
	s.mu.Unlock()
	<-s.done
}

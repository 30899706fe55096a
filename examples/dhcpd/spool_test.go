package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// All lines come out, whole, those of one goroutine in their order, though the reader is slow; and who logs waits for it
// rather than fill the memory.
func TestSpoolKeepsLinesAndBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		most := 0
		gate := make(chan struct{})
		s := newSpool(func(text []byte, lines []line) {
			<-gate
			most = max(most, len(text))
			from := 0
			for _, l := range lines {
				if !bytes.HasSuffix(text[:l.end], []byte("\n")) || l.level != zapcore.WarnLevel {
					t.Errorf("line %q at level %v", text[from:l.end], l.level)
				}
				from = l.end
			}
			out.Write(text)
		})
		const writers, each = 4, 2000
		filler := strings.Repeat("x", 500)
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					s.add(zapcore.WarnLevel, fmt.Sprintf("%d %d %s", w, i, filler))
				}
			})
		}
		synctest.Wait()
		s.mu.Lock()
		waiting := len(s.text)
		s.mu.Unlock()
		if waiting > maxSpool+4*600 {
			t.Errorf("%d octets wait, want about %d at most", waiting, maxSpool)
		}
		close(gate)
		all.Wait()
		s.close()
		next := [writers]int{}
		for line := range strings.Lines(out.String()) {
			var w, i int
			if _, err := fmt.Sscanf(line, "%d %d", &w, &i); err != nil || i != next[w] {
				t.Fatalf("line %q (%v), want number %d of %d", line, err, next[w], w)
			}
			next[w]++
		}
		if next != [writers]int{each, each, each, each} {
			t.Errorf("%d lines came out", next)
		}
	})
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	log, end := newLineLog(&out)
	log.Debug("not said")
	log.Info("said")
	log.With(zap.String("a", "b")).Error("why", zap.Error(errors.New("because")))
	end()
	if got, want := out.String(), "said\nwhy\t{\"a\": \"b\", \"error\": \"because\"}\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

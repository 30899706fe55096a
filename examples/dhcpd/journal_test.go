//go:build linux

package main_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// A journal holds the lines that a program wrote, and lets tests wait for the next one.
type journal struct {
	name string
	file *os.File // a copy, with the time before each line

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced when there is a line more, or when the end is reached
	ended bool
}

// maxJournal bounds the lines of a journal, so that a program that has gone mad does not take the machine with it.
const maxJournal = 1 << 20

// errEnded says that no more lines will come.
var errEnded = errors.New("the program has ended")

// newJournal returns an empty journal that also writes to a file.
func newJournal(name, path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &journal{name: name, file: f, more: make(chan struct{})}, nil
}

// read takes lines from r until it ends.
func (j *journal) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		j.add(lines.Text())
	}
}

func (j *journal) add(line string) {
	fmt.Fprintf(j.file, "%.6f %s\n", float64(time.Now().UnixMicro())/1e6, line)
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) < maxJournal {
		j.lines = append(j.lines, line)
	}
	j.wake()
}

func (j *journal) wake() { close(j.more); j.more = make(chan struct{}) }

// setEnded says whether the program that writes has ended.
func (j *journal) setEnded(ended bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = ended
	j.wake()
}

// len returns the number of lines so far, from which a later wait can start.
func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// since returns the lines from number n on.
func (j *journal) since(n int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines[n:len(j.lines):len(j.lines)]
}

// wait returns the first line from number `from` on that matches. It waits for it until ctx is done or the program ends.
func (j *journal) wait(ctx context.Context, from int, match func(line string) bool) (string, error) {
	for {
		j.mu.Lock()
		for ; from < len(j.lines); from++ {
			if line := j.lines[from]; match(line) {
				j.mu.Unlock()
				return line, nil
			}
		}
		ended, more, last := j.ended, j.more, j.lines[max(0, len(j.lines)-12):]
		j.mu.Unlock()
		if ended {
			return "", fmt.Errorf("%s: %w; its last lines:\n  %s", j.name, errEnded, strings.Join(last, "\n  "))
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", fmt.Errorf("%s: %w; its last lines:\n  %s", j.name, ctx.Err(), strings.Join(last, "\n  "))
		}
	}
}

// contains matches lines with the text in them.
func contains(text string) func(string) bool {
	return func(line string) bool { return strings.Contains(line, text) }
}

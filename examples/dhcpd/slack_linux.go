package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// timerSlack is how late a timer of this process may be. The Go runtime has a thread that looks, each 20 µs while the lease
// file is being synced, whether to give the processor to another: at that pace it takes an eighth of the processor for
// itself, and more of a virtual one. Nothing here needs a timer to be more exact.
const timerSlack = 500 * time.Microsecond

// slacken lets the timers of all threads be late by timerSlack; a thread to come has it from the one that makes it. It
// needs CAP_SYS_NICE; without, TimerSlackNSec= of systemd does the same.
func slacken() error {
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	value := strconv.AppendInt(nil, int64(timerSlack), 10)
	for _, t := range threads {
		// The file is in the folder of each thread in /proc, though not in those of /proc/self/task.
		name := filepath.Join("/proc", filepath.Base(t), "timerslack_ns")
		if err := os.WriteFile(name, value, 0); err != nil && !errors.Is(err, os.ErrNotExist) { // it may have ended
			return fmt.Errorf("timer slack: %w", err)
		}
	}
	return nil
}

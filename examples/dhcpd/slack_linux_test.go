package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestSlacken(t *testing.T) {
	switch err := slacken(); {
	case errors.Is(err, os.ErrPermission) && os.Getuid() != 0:
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(threads) < 2 {
		t.Fatalf("%v: %v", threads, err)
	}
	for _, thread := range threads {
		b, err := os.ReadFile(filepath.Join("/proc", filepath.Base(thread), "timerslack_ns"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if want := fmt.Sprint(timerSlack.Nanoseconds()); err != nil || string(bytes.TrimSpace(b)) != want {
			t.Errorf("%s: %s, %v, want %s", thread, b, err, want)
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// Bounds of a fence.
const (
	fenceTime   = 20 * time.Second // for an answer; then it is killed, and the answer is no
	fenceOutput = 512              // octets of what it writes that go to the log
)

// fenceOf returns the fence of a relationship, nil if it has none and needs none.
func (o *options) fenceOf(f failover.Config) (func(context.Context) error, error) {
	command := o.fence.of(f.Name)
	switch {
	case command == "" && f.SafePeriod > 0:
		return nil, fmt.Errorf("failover peer %s: auto-partner-down needs -fence: a peer that is not heard may still serve, "+
			"and both would give the same addresses; so a command must know that it is off", f.Name)
	case command == "":
		return nil, nil
	}
	path, err := exec.LookPath(command)
	if err != nil {
		return nil, fmt.Errorf("-fence: failover peer %s: %w", f.Name, err)
	}
	return func(ctx context.Context) error {
		return askFence(ctx, fenceTime, path, f.Name, f.Partner.Addr().String())
	}, nil
}

// askFence runs a command with the name of a relationship and the partner's address, at most for the given time. It
// returns nil if the command says, by status 0, that the partner is off.
func askFence(ctx context.Context, limit time.Duration, path, name, partner string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var said firstOctets
	cmd := exec.CommandContext(ctx, path, name, partner)
	cmd.Stdout, cmd.Stderr = &said, &said
	// A shell's children end with it, and what they hold open is not waited for.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil // though a child of it may hold its output open
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", limit)
	}
	if text := strings.Join(strings.Fields(string(said.b)), " "); text != "" {
		return fmt.Errorf("fence %s: %w: %s", path, err, text)
	}
	return fmt.Errorf("fence %s: %w", path, err)
}

// firstOctets keeps the first fenceOutput octets of what is written to it.
type firstOctets struct{ b []byte }

func (w *firstOctets) Write(b []byte) (int, error) {
	w.b = append(w.b, b[:min(len(b), fenceOutput-len(w.b))]...)
	return len(b), nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// readyFD is the file descriptor on which a process in the background says that it serves.
const readyFD = 3

// readyEnv tells a process that it is in the background, with readyFD open.
const readyEnv = "TANDEM_DHCPD_READY_FD"

// background starts this program once more, in a session of its own, and waits until it serves or fails.
func background(stderr io.Writer) int {
	fail := func(err error) int {
		fmt.Fprintln(stderr, "dhcpd: cannot go into the background:", err)
		return 1
	}
	self, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer r.Close()
	cmd := exec.Command(self, append([]string{"-f"}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), readyEnv+"="+strconv.Itoa(readyFD))
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.Close()
		return fail(err)
	}
	w.Close()
	if said, err := io.ReadAll(r); err != nil || string(said) != "ready" {
		if err := cmd.Wait(); err != nil {
			fmt.Fprintln(stderr, "dhcpd: not started:", err, "(see the log)")
		}
		return 1
	}
	return 0
}

// sayReady tells the process that started this one that clients are served.
func sayReady() error {
	if os.Getenv(readyEnv) == "" {
		return nil
	}
	f := os.NewFile(readyFD, "ready")
	_, err := f.WriteString("ready")
	return errors.Join(err, f.Close())
}

// errRunning says that another server has the PID file.
var errRunning = errors.New("there's already a DHCP server running")

// writePID writes the PID file, unless the process it names lives. It returns the function that removes it.
func writePID(file string) (remove func(), err error) {
	if old, err := os.ReadFile(file); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(old))); err == nil && pid > 0 && pid != os.Getpid() {
			if err := syscall.Kill(pid, 0); err == nil || errors.Is(err, syscall.EPERM) {
				return nil, fmt.Errorf("%w (%s has the living process %d)", errRunning, file, pid)
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("can't read PID file: %w", err)
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("can't create PID file: %w", err)
	}
	return func() { os.Remove(file) }, nil
}

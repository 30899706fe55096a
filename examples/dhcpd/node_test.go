//go:build linux

package main_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process is a program in a node of the lab. It ends with the lab, and with this process at the latest.
type process struct {
	cmd  *exec.Cmd
	log  *journal
	gone chan struct{} // closed when it has ended
}

// start runs a program in a node. What it writes to stdout and stderr goes to the journal of that name.
func (l *lab) start(name, node string, args ...string) *process {
	l.t.Helper()
	log, err := newJournal(name, filepath.Join(l.dir, name+".log"))
	if err != nil {
		l.t.Fatal(err)
	}
	return l.startInto(log, node, args...)
}

// startInto is start with a journal that may hold lines of earlier runs.
func (l *lab) startInto(log *journal, node string, args ...string) *process {
	l.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	p := &process{log: log, gone: make(chan struct{})}
	// ip replaces itself by the program, so that the process that is started is the program.
	p.cmd = exec.Command("ip", append([]string{"netns", "exec", l.ns(node)}, args...)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = l.dir, w, w
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		l.t.Fatal(err)
	}
	log.setEnded(false)
	read := make(chan struct{})
	go func() { log.read(r); r.Close(); close(read) }()
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		select {
		case <-read:
		case <-time.After(time.Second): // a child of it may hold the pipe
		}
		log.setEnded(true)
		close(p.gone)
	}()
	l.t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// end sends a signal and waits for the end, which is made sure of by SIGKILL after stopPeriod. It reports whether the
// program ended by itself.
func (p *process) end(sig os.Signal) bool {
	_ = p.cmd.Process.Signal(sig) // it may have ended already
	select {
	case <-p.gone:
		return true
	case <-time.After(stopPeriod):
		_ = p.cmd.Process.Kill()
		<-p.gone
		return false
	}
}

// running reports whether the program has not ended.
func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// includeDir is the folder of the file that both configurations of the seed include.
const (
	includeDir  = "/usr/local/etc"
	includeFile = "dhcpd.conf.SHARED"
)

// A server is a dhcpd in a node of the lab. Its folder holds dhcpd.conf, db/dhcpd.leases, and in etc what it finds as
// /usr/local/etc.
type server struct {
	lab  *lab
	node string
	dir  string
	addr netip.Addr
	// disk is the size of a file system of its own for the lease file, as mount's option has it; "" for none. It
	// lives as long as the process.
	disk string
	file string   // the program, if not the one under test
	args []string // further arguments

	log  *journal // of all runs
	run  int      // the line at which the current run began
	proc *process
}

// server makes a server for a node, with the given text as its dhcpd.conf.
func (l *lab) server(node, conf string) *server {
	l.t.Helper()
	s := &server{lab: l, node: node, dir: filepath.Join(l.dir, node), addr: serverAddr[node]}
	for _, dir := range []string{"etc", "db"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
	var err error
	if s.log, err = newJournal(node, filepath.Join(l.dir, node+".log")); err != nil {
		l.t.Fatal(err)
	}
	s.write("dhcpd.conf", conf)
	s.write("db/dhcpd.leases", "")
	l.t.Cleanup(func() {
		if l.t.Failed() {
			lines := s.log.since(0)
			l.t.Logf("the last lines of %s:\n  %s", node, strings.Join(lines[max(0, len(lines)-15):], "\n  "))
		}
	})
	return s
}

// write puts a file into the server's folder.
func (s *server) write(name, text string) {
	s.lab.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.lab.t.Fatal(err)
	}
}

// share installs the file that both configurations include.
func (s *server) share(text string) { s.lab.t.Helper(); s.write("etc/"+includeFile, text) }

// startScript gives the server its own view of the file system, then becomes the server.
const startScript = `
mount --bind "$1/etc" ` + includeDir + `
if [ -n "$2" ]; then
	mount -t tmpfs -o "size=$2" tmpfs "$1/db"
	: >"$1/db/dhcpd.leases"
fi
shift 2
exec "$@"
`

// start starts the server and does not wait for anything.
func (s *server) start() {
	s.lab.t.Helper()
	if s.proc.running() {
		s.lab.t.Fatalf("%s runs already", s.node)
	}
	if err := os.Remove(filepath.Join(s.dir, "dhcpd.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.lab.t.Fatal(err)
	}
	s.run = s.log.len()
	s.proc = s.lab.startInto(s.log, s.node, append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-ec", startScript, "sh", s.dir, s.disk,
		s.program(), "-4", "-f", "-d", "-cf", filepath.Join(s.dir, "dhcpd.conf"), "-lf", filepath.Join(s.dir, "db/dhcpd.leases"),
		"-pf", filepath.Join(s.dir, "dhcpd.pid")}, append(s.args, "eth0")...)...)
}

func (s *server) program() string {
	s.lab.t.Helper()
	if s.file != "" {
		return s.file
	}
	return program(s.lab.t, s.node)
}

// kill is kill -9.
func (s *server) kill() { s.proc.end(syscall.SIGKILL) }

// stop is what an operator does. The server must end by itself.
func (s *server) stop(t testing.TB) {
	t.Helper()
	if !s.proc.end(syscall.SIGTERM) {
		t.Errorf("%s did not end within %v of SIGTERM", s.node, stopPeriod)
	}
}

// serving waits until the server has said that it serves.
func (s *server) serving(t testing.TB) {
	t.Helper()
	s.waitLog(t, 15*time.Second, s.run, `Server starting service`)
}

// waitLog waits for a line, from line number `from` on.
func (s *server) waitLog(t testing.TB, d time.Duration, from int, pattern string) string {
	t.Helper()
	line, err := s.log.wait(within(t, d), from, regexp.MustCompile(pattern).MatchString)
	if err != nil {
		t.Fatalf("no line like %q: %v", pattern, err)
	}
	return line
}

// moved matches the log of a change of the server's own failover state.
var moved = regexp.MustCompile(`failover peer \S+: I move from (\S+) to (\S+)`)

// waitState waits until the server is in a failover state, by its log.
func (s *server) waitState(t testing.TB, d time.Duration, state string) {
	t.Helper()
	if err := s.reach(t, d, state); err != nil {
		t.Fatal(err)
	}
}

// reach is waitState with an error.
func (s *server) reach(t testing.TB, d time.Duration, state string) error {
	t.Helper()
	// The state is that of the last such line, so take each of them in turn until the last is the wanted one.
	ctx, from := within(t, d), s.run
	for {
		now := ""
		for _, line := range s.log.since(from) {
			from++
			if m := moved.FindStringSubmatch(line); m != nil {
				now = m[2]
			}
		}
		if now == state {
			return nil
		}
		if _, err := s.log.wait(ctx, from, moved.MatchString); err != nil {
			return fmt.Errorf("%s is not %s: %w", s.node, state, err)
		}
	}
}

// leaseFile returns the path of the lease file, which may be in a file system that the server alone has mounted.
func (s *server) leaseFile() string {
	path := filepath.Join(s.dir, "db/dhcpd.leases")
	if s.disk != "" {
		path = fmt.Sprintf("/proc/%d/root%s", s.proc.cmd.Process.Pid, path)
	}
	return path
}

// leases reads the lease file as it is now.
func (s *server) leases(t testing.TB) *leaseFile {
	t.Helper()
	text, err := os.ReadFile(s.leaseFile())
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseLeases(string(text))
	if err != nil {
		t.Fatalf("%s: %v", s.leaseFile(), err)
	}
	return f
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// peer is a server that takes part, in one way of running it.
type peer struct {
	name    string
	program string                                                             // that must be in the path; "" is ours
	note    string                                                             // what of its way to run matters
	disk    bool                                                               // its leases are on a disk, else in memory (tmpfs)
	settled string                                                             // what two of it log when they are partners; "" if they cannot be
	file    string                                                             // its lease file, in place.data
	format  func(w io.Writer, addr netip.Addr, hw []byte, end time.Time) error // of a lease in that file; nil: unknown
	config  func(p place) map[string]string
	command func(p place) []string
}

// place is where a server runs: a folder of its own, with its files.
type place struct {
	dir   string // for configuration and log
	data  string // for leases
	bench string // where our own programs are
	setup setup
}

func (p place) file(name string) string { return filepath.Join(p.dir, name) }

// setup is what a server is to be like.
type setup struct {
	first, last string        // of the range of addresses
	lease       time.Duration // 0 is an hour
	peer        string        // in a pair: "primary" or "secondary"
}

// usual is a pool that all of them can bear: ISC dhcpd becomes slow with its size.
var usual = setup{first: "10.1.0.0", last: "10.1.16.255", lease: time.Hour}

func (p peer) there() bool {
	if p.program == "" {
		return true
	}
	_, err := exec.LookPath(p.program)
	return err == nil
}

const (
	ours          = "tandem-dhcpd" // in place.bench
	controlSocket = "ctl"          // of ours, in place.dir
	dhcpdSettled  = "to normal"
)

func peers() []peer {
	isc := func(extra string) func(place) map[string]string {
		return func(p place) map[string]string {
			return map[string]string{p.file("conf"): dhcpdConf(p.setup, extra)}
		}
	}
	dhcpd := func(program string) func(place) []string {
		return func(p place) []string {
			argv := []string{program, "-d", "-cf", p.file("conf"), "-lf", filepath.Join(p.data, "leases"), "-pf", p.file("pid"), "eth0"}
			if program == ours {
				argv = slices.Concat([]string{filepath.Join(p.bench, ours), "-ctl", p.file(controlSocket)}, argv[1:])
			}
			return argv
		}
	}
	return []peer{
		{name: "tandem", note: "each lease synced", disk: true, settled: dhcpdSettled, file: "leases", format: dhcpdLease, config: isc(""), command: dhcpd(ours)},
		{name: "tandem-mem", note: "lease file in memory (tmpfs)", settled: dhcpdSettled, config: isc(""), command: dhcpd(ours)},
		{name: "isc", program: "dhcpd", note: "each lease synced", disk: true, settled: dhcpdSettled, file: "leases", format: dhcpdLease, config: isc(""), command: dhcpd("dhcpd")},
		{name: "isc-nosync", program: "dhcpd", note: "dont-use-fsync true", disk: true, config: isc("dont-use-fsync true;\n"), command: dhcpd("dhcpd")},
		{name: "kea", program: "kea-dhcp4", note: "memfile, never synced; warnings logged only", disk: true, settled: keaSettled(), file: "leases.csv", format: keaLease, config: keaConf,
			command: func(p place) []string { return []string{"kea-dhcp4", "-c", p.file("conf")} }},
		{name: "dnsmasq", program: "dnsmasq", note: "lease file rewritten and synced at each lease", disk: true, config: func(place) map[string]string { return map[string]string{} },
			command: func(p place) []string {
				return []string{"dnsmasq", "-k", "-C", "/dev/null", "-p", "0", "-i", "eth0", "--dhcp-authoritative", "--no-ping", "-u", "root",
					"--dhcp-range=" + p.setup.first + "," + p.setup.last + ",255.0.0.0,1h", "--dhcp-lease-max=2000000", "-x", p.file("pid"),
					"--dhcp-leasefile=" + filepath.Join(p.data, "leases"), "--log-facility=" + p.file("dnsmasq.log"), "--quiet-dhcp"}
			}},
		{name: "coredhcp", program: "coredhcp", note: "range plugin: SQLite, three syncs a lease", disk: true, config: coredhcpConf,
			command: func(p place) []string { return []string{"coredhcp", "-c", p.file("conf.yml"), "-L", "warning"} }},
		{name: "reflector", note: "answers without thinking", config: func(place) map[string]string { return map[string]string{} },
			command: func(place) []string { self, _ := os.Executable(); return []string{self, reflectCommand} }},
	}
}

// dhcpdConf is a configuration for ISC dhcpd and Tandem.
func dhcpdConf(s setup, extra string) string {
	var failover, member string
	if s.peer != "" {
		addrs := []string{firstAddr, secondAddr}
		role := "primary;\n  mclt 600;\n  split 128"
		if s.peer == "secondary" {
			addrs = []string{secondAddr, firstAddr}
			role = "secondary"
		}
		failover = fmt.Sprintf("failover peer \"ha\" {\n  %s;\n  address %s;\n  port 647;\n  peer address %s;\n  peer port 647;\n"+
			"  max-response-delay 30;\n  max-unacked-updates 10;\n  load balance max seconds 3;\n}\n", role, addrs[0], addrs[1])
		member = "failover peer \"ha\"; "
	}
	return fmt.Sprintf(`%s%sauthoritative;
ping-check off;
default-lease-time %d;
max-lease-time 86400;
dhcp-cache-threshold 0;
option domain-name "example.org";
option domain-name-servers 10.0.0.1;
subnet 10.0.0.0 netmask 255.0.0.0 {
  option routers 10.0.0.1;
  pool { %srange %s %s; }
}
`, extra, failover, int(s.lease.Seconds()), member, s.first, s.last)
}

func coredhcpConf(p place) map[string]string {
	return map[string]string{p.file("conf.yml"): fmt.Sprintf(`server4:
  listen: "%%eth0"
  plugins:
    - lease_time: 3600s
    - server_id: 10.0.0.1
    - dns: 10.0.0.1
    - router: 10.0.0.1
    - netmask: 255.0.0.0
    - range: %s %s %s 60m
`, filepath.Join(p.data, "leases.sqlite"), p.setup.first, p.setup.last)}
}

// server is a peer that runs.
type server struct {
	cmd   *exec.Cmd
	dead  bool // and waited for
	ns    string
	place place
	log   *os.File
}

// newPlace makes the folders of a server and writes its files. What is in them is of this server alone.
func (b *bench) newPlace(p peer, s setup) (place, error) {
	dir, err := os.MkdirTemp(b.dir, p.name+"-")
	if err != nil {
		return place{}, err
	}
	at := place{dir: dir, data: dir, bench: b.dir, setup: s}
	if !p.disk {
		if at.data, err = os.MkdirTemp("/dev/shm", "tandem-bench-"); err != nil {
			return place{}, err
		}
	}
	files := p.config(at)
	if p.program == "" || p.program == "dhcpd" {
		files[filepath.Join(at.data, "leases")] = ""
	}
	for file, text := range files {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return place{}, err
		}
	}
	return at, nil
}

// start starts a peer on processor 0. It is ready when it answers: see ready.
func (b *bench) start(ctx context.Context, p peer, at place, ns string) (*server, error) {
	return b.startOn(ctx, serverCPU, p, at, ns)
}

// startOn starts a peer on a processor.
func (b *bench) startOn(ctx context.Context, cpu string, p peer, at place, ns string) (*server, error) {
	log, err := os.Create(at.file("log"))
	if err != nil {
		return nil, err
	}
	argv := p.command(at)
	s := &server{cmd: b.net.command(ctx, ns, cpu, argv[0], argv[1:]...), ns: ns, place: at, log: log}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.Env = append(os.Environ(), "KEA_LOCKFILE_DIR="+at.dir, "KEA_PIDFILE_DIR="+at.dir)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// stop ends the server, waits for that, and removes its files.
func (s *server) stop(b *bench) error {
	if !s.dead {
		if err := unix.Kill(s.pid(), unix.SIGTERM); err != nil {
			return err
		}
		hurry := time.AfterFunc(5*time.Second, func() { _ = unix.Kill(s.pid(), unix.SIGKILL) })
		defer hurry.Stop()
		s.bury()
	}
	if s.place.data != s.place.dir {
		os.RemoveAll(s.place.data)
	}
	if b.keep == "" {
		os.RemoveAll(s.place.dir)
	}
	return nil
}

// kill ends the server at once, without a word, and leaves its files.
func (s *server) kill() error {
	if err := unix.Kill(s.pid(), unix.SIGKILL); err != nil {
		return err
	}
	s.bury()
	return nil
}

func (s *server) bury() {
	_ = s.cmd.Wait() // it was told to end: how it says so is its own matter
	s.log.Close()
	s.dead = true
}

// readyPatience is how long a server may take to serve its first client.
const readyPatience = 2 * time.Minute

// ready waits until one of the servers at addrs answers a client, and returns how long that took.
func (b *bench) ready(ctx context.Context, first int, addrs ...string) (time.Duration, error) {
	began := time.Now()
	for time.Since(began) < readyPatience {
		l, err := b.load(ctx, addrs, "-for", "0", "-count", "1", "-clients", "1", "-first", fmt.Sprint(first), "-timeout", "50ms")
		if err != nil {
			return 0, err
		}
		if l.Completed == 1 {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("no answer from %v in %v", net.JoinHostPort(addrs[0], "67"), readyPatience)
}

// Command dhcpd serves DHCPv4 from an ISC dhcpd.conf(5) and keeps its leases in an ISC dhcpd.leases(5), alone or as one
// of two failover partners. Flags and log lines are those of ISC dhcpd, so that it starts with yesterday's files:
//
//	dhcpd [-4] [-f] [-d] [-q] [-t|-T] [-p port] [-s server] [-cf file] [-lf file] [-pf file] [-ctl socket] [-pprof port]
//	      [interface ...]
//	dhcpd -ctl socket -order "partner-down ha-dhcp"
//
// Between two Tandems the connection can be secured, by flags, since dhcpd.conf has no words for it. Each may come once
// for all failover peers, and once for each of them with its name before it:
//
//	-failover-secret [name=]file                                   a secret that proves each message
//	-failover-cert [name=]file -failover-key [name=]file -failover-ca [name=]file [-failover-tls-name [name=]host]
//
// auto-partner-down of dhcpd.conf needs somebody who knows that the partner is off, and does not only fail to hear it:
//
//	-fence [name=]command                                          asked with the peer's name and address; status 0 is yes
//
// The first lease of a client is only mclt long, unless it may wait a little for the partner to hear of it:
//
//	-failover-ack-wait [name=]duration                             50ms is plenty between two Tandems
//
// What a configuration asks for and this server cannot do is an error that names the place.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
)

// Where ISC dhcpd of Debian has its files.
const (
	defaultConfig = "/etc/dhcp/dhcpd.conf"
	defaultLeases = "/var/lib/dhcp/dhcpd.leases"
	defaultPID    = "/var/run/dhcpd.pid"
)

// options are the command line.
type options struct {
	foreground bool // -f
	debug      bool // -d: log to stderr, which implies -f
	quiet      bool // -q
	testConfig bool // -t
	testLeases bool // -T: -t and the lease file as well
	config     string
	leases     string
	pid        string
	port       uint
	broadcast  netip.Addr // -s: where to send instead of 255.255.255.255
	control    string     // -ctl: socket for orders
	order      string     // -order: give it to the server at the socket
	secret     perPeer    // -failover-secret: file
	cert, key  perPeer    // -failover-cert, -failover-key: files of this server
	ca         perPeer    // -failover-ca: file of the authorities for the partner
	tlsName    perPeer    // -failover-tls-name: what the partner's certificate is for
	fence      perPeer    // -fence: command
	ackWait    perPeer    // -failover-ack-wait: duration
	pprof      uint       // -pprof: port of 127.0.0.1 for profiles; 0 is none
	interfaces []string
}

// errUsage says that the command line has been explained already.
var errUsage = errors.New("usage")

func main() {
	os.Exit(run(os.Args[1:], os.Stderr))
}

// run is the program. It returns the exit code: 0, 1 for what went wrong, 2 for a command line that cannot be.
func run(args []string, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	if o.order != "" {
		return give(o.control, o.order, os.Stdout, stderr)
	}
	if !o.foreground && !o.testConfig {
		return background(stderr)
	}
	log, closeLog := newLog(o, stderr)
	defer closeLog()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, o, log); err != nil {
		for _, line := range lines(err) {
			log.Error(line)
		}
		log.Error("exiting.")
		return 1
	}
	return 0
}

// parse reads the command line. The error is errUsage after a message to stderr, or flag.ErrHelp.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var server string
	var four, six bool
	fs := flag.NewFlagSet("dhcpd", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&four, "4", false, "serve DHCPv4, which is all there is")
	fs.BoolVar(&six, "6", false, "refused: there is no DHCPv6 here")
	fs.BoolVar(&o.foreground, "f", false, "stay in the foreground")
	fs.BoolVar(&o.debug, "d", false, "log to standard error, and stay in the foreground")
	fs.BoolVar(&o.quiet, "q", false, "do not say at the start what this is")
	fs.BoolVar(&o.testConfig, "t", false, "only check the configuration")
	fs.BoolVar(&o.testLeases, "T", false, "only check the configuration and the lease file")
	fs.StringVar(&o.config, "cf", "", "configuration `file` ("+defaultConfig+")")
	fs.StringVar(&o.leases, "lf", "", "lease `file` ("+defaultLeases+", or lease-file-name of the configuration)")
	fs.StringVar(&o.pid, "pf", "", "PID `file` ("+defaultPID+", or pid-file-name of the configuration)")
	fs.UintVar(&o.port, "p", 67, "UDP `port` to serve; clients are at the next one")
	fs.StringVar(&o.control, "ctl", "", "take orders on this Unix `socket`, or give one with -order")
	fs.StringVar(&o.order, "order", "", "give an `order` to the server that has the socket: \"status\", or partner-down, recover, pause,\n"+
		"shutdown, resume or resync, then the name of a failover peer, then perhaps \"force\"")
	for _, f := range []struct {
		to    *perPeer
		name  string
		usage string
	}{
		{&o.secret, "failover-secret", "`[name=]file` with the secret, at least 16 octets, that proves the messages of failover peer name, or of all"},
		{&o.cert, "failover-cert", "`[name=]file` with this server's certificate: TLS with failover peer name, or with all"},
		{&o.key, "failover-key", "`[name=]file` with the key of -failover-cert"},
		{&o.ca, "failover-ca", "`[name=]file` with the authorities for the peer's certificate"},
		{&o.tlsName, "failover-tls-name", "`[name=]host` that the peer's certificate must be for, in place of its address"},
		{&o.fence, "fence", "`[name=]command` that auto-partner-down asks, with the name of the failover peer and the peer's address, whether\n" +
			"the peer is off: status 0 says that it is for sure, all else that it may serve"},
		{&o.ackWait, "failover-ack-wait", "`[name=]duration`, such as 50ms, that a new client waits for the peer to acknowledge its lease, and then gets\n" +
			"the whole lease time at once, not mclt"},
	} {
		f.to.flag = f.name
		fs.Var(f.to, f.name, f.usage)
	}
	fs.UintVar(&o.pprof, "pprof", 0, "serve profiles (net/http/pprof) on this `port` of 127.0.0.1")
	fs.StringVar(&server, "s", "", "`address` to send to instead of 255.255.255.255")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, errUsage
	}
	usage := func(format string, a ...any) (options, error) {
		fmt.Fprintf(stderr, "dhcpd: "+format+"\n", a...)
		fs.Usage()
		return o, errUsage
	}
	if six {
		return usage("-6: only DHCPv4 is served")
	}
	if o.port == 0 || o.port > 65534 {
		return usage("-p %d: want 1 to 65534", o.port)
	}
	if o.pprof > 65535 {
		return usage("-pprof %d: want 1 to 65535", o.pprof)
	}
	if server != "" {
		var err error
		if o.broadcast, err = netip.ParseAddr(server); err != nil || !o.broadcast.Is4() {
			return usage("-s %s: want an IPv4 address", server)
		}
	}
	if o.order != "" && o.control == "" {
		return usage("-order needs -ctl, the socket of the server")
	}
	if o.config == "" {
		o.config = defaultConfig
	}
	o.interfaces = fs.Args()
	o.testConfig = o.testConfig || o.testLeases
	o.foreground = o.foreground || o.debug
	return o, nil
}

// lines returns the messages of errors that were joined, one each.
func lines(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && fmt.Sprint(err) == fmt.Sprint(errors.Join(joined.Unwrap()...)) {
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, lines(e)...)
		}
		return all
	}
	return []string{err.Error()}
}

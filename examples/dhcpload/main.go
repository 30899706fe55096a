// Command dhcpload loads DHCPv4 servers, as relays with many clients behind them do, and says what came of it: how many
// exchanges a second, how long they took, what was lost, and whether ever two clients held one address.
//
//	dhcpload [-window 64] [-for 10s] [-json] server ...            as fast as answers come, 64 at a time
//	dhcpload -rate 1000 -ramp 5s [-for 10s] server ...             so many begin each second, whatever comes back
//	dhcpload -clients 1000 -renew 90 -relays 10.0.10.3,10.0.10.4 server ...
//
// It sends from port 67 of the relays' addresses, which must be addresses of this host, so it needs root and is best run
// in a network namespace. With several servers each message goes to all of them, as relays of a failover pair have it.
//
// The exit code is 0 if all is well, 1 if the load could not be made, 2 for a command line that cannot be, and 3 if a
// server broke its word: an address was given to two clients, or, with -verify, a lease that was given is gone.
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
	"strings"
	"syscall"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// The exit codes besides 0.
const (
	exitError  = 1
	exitUsage  = 2
	exitBroken = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, traceFile, asJSON, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "dhcpload:", err)
		return exitUsage
	}
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), cfg.Port)
	if len(cfg.Relays) == 1 {
		at = netip.AddrPortFrom(cfg.Relays[0], cfg.Port)
	}
	conn, err := dhcp4.ListenUDP(dhcp4.UDPConfig{Addr: at, ReadBuffer: readBuffer})
	if err != nil {
		fmt.Fprintln(stderr, "dhcpload:", err)
		return exitError
	}
	if traceFile != "" {
		f, err := os.Create(traceFile)
		if err != nil {
			fmt.Fprintln(stderr, "dhcpload:", errors.Join(err, conn.Close()))
			return exitError
		}
		defer f.Close()
		cfg.Trace = f
	}
	r, err := load(ctx, cfg, conn, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "dhcpload:", err)
		return exitError
	}
	if asJSON {
		err = r.writeJSON(stdout)
	} else {
		err = r.writeText(stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "dhcpload:", err)
		return exitError
	case r.broken():
		return exitBroken
	}
	return 0
}

// readBuffer is how many octets of answers the kernel keeps, as far as it allows.
const readBuffer = 8 << 20

// parse reads the command line. The error is flag.ErrHelp, or says what is wrong.
func parse(args []string, stderr io.Writer) (cfg config, traceFile string, asJSON bool, err error) {
	var relays string
	var port uint
	fs := flag.NewFlagSet("dhcpload", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&relays, "relays", "", "`addresses` of this host to relay from, separated by commas; giaddr of their clients")
	fs.UintVar(&port, "port", dhcp4.ServerPort, "UDP `port` of relays and servers")
	fs.IntVar(&cfg.Clients, "clients", 1<<16, "how many `clients` there are; they come again and again")
	fs.UintVar(&cfg.First, "first", 0, "`number` of the first client, from which its hardware address is made")
	fs.IntVar(&cfg.Window, "window", 0, "how many `exchanges` are under way at most (64, with -rate 65536)")
	fs.Float64Var(&cfg.Rate, "rate", 0, "begin so many `exchanges` a second; 0 is one whenever another has ended")
	fs.DurationVar(&cfg.Ramp, "ramp", 0, "with -rate: how long it takes to come to the full rate")
	fs.DurationVar(&cfg.For, "for", 10*time.Second, "how long exchanges are begun; 0 is until -count")
	fs.IntVar(&cfg.Count, "count", 0, "how many exchanges are begun; 0 is any number")
	fs.IntVar(&cfg.Renew, "renew", 0, "how many `percent` of the exchanges are renewals by clients that have a lease")
	fs.DurationVar(&cfg.Timeout, "timeout", time.Second, "how long an answer is waited for")
	fs.BoolVar(&cfg.ClientID, "id", false, "clients send an identifier (option 61)")
	fs.BoolVar(&cfg.RelayInfo, "agent", false, "relays add a circuit identifier (option 82)")
	fs.BoolVar(&cfg.Verify, "verify", false, "at the end have each client ask for its address once more, as after a reboot")
	fs.BoolVar(&cfg.Quiet, "q", false, "no line each second")
	fs.StringVar(&traceFile, "trace", "", "write a line for each exchange to this `file`: "+strings.TrimSpace(traceHeader))
	fs.BoolVar(&asJSON, "json", false, "print the result as JSON")
	if err := fs.Parse(args); err != nil {
		return cfg, "", false, err
	}
	cfg.Port = uint16(min(port, 1<<16-1))
	for _, s := range strings.Split(relays, ",") {
		if s == "" {
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return cfg, "", false, fmt.Errorf("-relays: %w", err)
		}
		cfg.Relays = append(cfg.Relays, a)
	}
	for _, s := range fs.Args() {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return cfg, "", false, fmt.Errorf("server %q: %w", s, err)
		}
		cfg.Servers = append(cfg.Servers, netip.AddrPortFrom(a, cfg.Port))
	}
	if cfg.Window == 0 {
		cfg.Window = 64
		if cfg.Rate > 0 {
			cfg.Window = 1 << 16
		}
	}
	return cfg, traceFile, asJSON, cfg.validate()
}

//go:build linux

// Command bench compares DHCPv4 servers on one machine: Tandem's examples/dhcpd, and of ISC dhcpd, Kea, dnsmasq and
// coredhcp those that are installed, beside a reflector, which answers without thinking and shows what the machine can do.
//
//	bench [-runs 5] [-for 3s] [-only tandem,isc] [-rows rate,pair,fill,start,failover,resync,expiry] [-o file]
//
// Each server runs in a network namespace, pinned to processor 0, and examples/dhcpload in another, pinned to processor 1.
// In each run each server has its turn, A B A B, so that what the machine does besides meets all of them; what is printed
// are medians over the runs, and ratios. It needs root, iproute2, taskset, and Go to build the two programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	runs int
	each time.Duration // of a load
	only []string      // names of peers; none is all
	rows []string
	file string // where the result goes besides
	keep string // folder for configurations and logs; "" is one that is removed
}

// rows are what can be measured.
var rows = map[string]func(context.Context, *bench) ([]table, error){
	"rate": rates, "pair": pairs, "fill": fills, "start": starts, "failover": failovers, "resync": resyncs, "expiry": expiries,
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == reflectCommand {
		if err := reflect(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	var all []table
	for _, name := range o.rows {
		ts, wrong := rows[name](ctx, b)
		all = append(all, ts...)
		if wrong != nil { // what was measured before is worth a look
			err = fmt.Errorf("%s: %w", name, wrong)
			break
		}
	}
	text := heading(args, b.peers) + "\n"
	for _, t := range all {
		text += t.String() + "\n"
	}
	if _, wrong := io.WriteString(stdout, text); wrong != nil {
		return errors.Join(err, wrong)
	}
	if o.file != "" {
		err = errors.Join(err, os.WriteFile(o.file, []byte(text), 0o644))
	}
	return err
}

func parse(args []string) (options, error) {
	var o options
	var only, what string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.IntVar(&o.runs, "runs", 5, "how many `times` each server has its turn")
	fs.DurationVar(&o.each, "for", 3*time.Second, "how long each load lasts")
	fs.StringVar(&only, "only", "", "`names` of servers, separated by commas; none is all that are there")
	fs.StringVar(&what, "rows", "rate", "what to measure, separated by commas: "+strings.Join(slices.Sorted(maps.Keys(rows)), ", "))
	fs.StringVar(&o.file, "o", "", "write the result to a `file` as well")
	fs.StringVar(&o.keep, "keep", "", "`folder` for configurations, logs and lease files, which stay")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	o.rows = strings.Split(what, ",")
	for _, r := range o.rows {
		if rows[r] == nil {
			return o, fmt.Errorf("-rows: there is no %q", r)
		}
	}
	if o.runs < 1 || o.each < time.Second || fs.NArg() > 0 {
		return o, fmt.Errorf("-runs is %d and -for %v: want 1 and 1s or more, and no other arguments", o.runs, o.each)
	}
	return o, nil
}

// bench is a comparison as it goes on.
type bench struct {
	options
	dir   string
	net   *network
	peers []peer
}

func newBench(o options) (b *bench, err error) {
	b = &bench{options: o, dir: o.keep}
	if b.dir == "" {
		b.dir, err = os.MkdirTemp("", "tandem-bench-")
	} else if err = os.MkdirAll(b.dir, 0o755); err == nil {
		b.dir, err = filepath.Abs(b.dir)
	}
	if err != nil {
		return nil, err
	}
	for _, program := range []string{"dhcpd", "dhcpload"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(b.dir, "tandem-"+program), modulePath+"/examples/"+program)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the README says
		if out, err := cmd.CombinedOutput(); err != nil {
			b.close()
			return nil, fmt.Errorf("building %s: %w\n%s", program, err, out)
		}
	}
	for _, p := range peers() {
		if p.there() && (len(o.only) == 0 || slices.Contains(o.only, p.name)) {
			b.peers = append(b.peers, p)
		}
	}
	if b.net, err = newNetwork(""); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

const modulePath = "github.com/tandem-dhcp/tandem"

func (b *bench) close() {
	if b.net != nil {
		b.net.remove()
	}
	if b.keep == "" {
		os.RemoveAll(b.dir)
	}
}

// say tells how far it is.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

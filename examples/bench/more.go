//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// fillTo writes a lease file with so many leases from the first address of the pool on, which end at one moment.
func (b *bench) fillTo(p peer, at place, leases int, end time.Time) error {
	f, err := os.Create(filepath.Join(at.data, p.file))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	if p.program == "kea-dhcp4" {
		fmt.Fprintln(w, "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context")
	}
	first, err := netip.ParseAddr(at.setup.first)
	if err != nil {
		return err
	}
	first4 := first.As4()
	from := binary.BigEndian.Uint32(first4[:])
	for n := range uint32(leases) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], from+n)
		if err := p.format(w, netip.AddrFrom4(a), append([]byte{2, 1}, a[:]...), end.UTC()); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

const day = 24 * time.Hour

func tomorrow() time.Time { return time.Now().Add(day) }

// dhcpdTime is how dhcpd.leases(5) writes a time, after the day of the week.
const dhcpdTime = "2006/01/02 15:04:05"

// dhcpdLease writes a lease as ISC dhcpd does.
func dhcpdLease(w io.Writer, a netip.Addr, hw []byte, end time.Time) error {
	return dhcpdLeaseThat(w, a, hw, end, "")
}

// dhcpdLeaseOfPair writes a lease that both partners know of, as ISC dhcpd does.
func dhcpdLeaseOfPair(w io.Writer, a netip.Addr, hw []byte, end time.Time) error {
	when := fmt.Sprintf("%d %s", end.Weekday(), end.Format(dhcpdTime))
	return dhcpdLeaseThat(w, a, hw, end, "  tstp "+when+";\n  tsfp "+when+";\n  atsfp "+when+";\n")
}

func dhcpdLeaseThat(w io.Writer, a netip.Addr, hw []byte, end time.Time, known string) error {
	begin := end.Add(-day)
	_, err := fmt.Fprintf(w, "lease %v {\n  starts %d %s;\n  ends %d %s;\n%s  cltt %d %s;\n  binding state active;\n  next binding state free;\n"+
		"  hardware ethernet %x;\n}\n", a, begin.Weekday(), begin.Format(dhcpdTime), end.Weekday(), end.Format(dhcpdTime), known,
		begin.Weekday(), begin.Format(dhcpdTime), colons(hw))
	return err
}

// keaLease writes a lease as Kea's memfile has it.
func keaLease(w io.Writer, a netip.Addr, hw []byte, end time.Time) error {
	_, err := fmt.Fprintf(w, "%v,%x,,%d,%d,1,0,0,,0,\n", a, colons(hw), int(day.Seconds()), end.Unix())
	return err
}

// colons prints octets with colons between them.
type colons []byte

// Format implements fmt.Formatter.
func (c colons) Format(s fmt.State, _ rune) {
	for i, o := range c {
		if i > 0 {
			fmt.Fprint(s, ":")
		}
		fmt.Fprintf(s, "%02x", o)
	}
}

// filled starts a server with so many leases in its file, which end at one moment.
func (b *bench) filled(ctx context.Context, p peer, s setup, leases int, end time.Time) (*server, error) {
	at, err := b.newPlace(p, s)
	if err != nil {
		return nil, err
	}
	if err := b.fillTo(p, at, leases, end); err != nil {
		return nil, err
	}
	return b.start(ctx, p, at, "s1")
}

// large has room for a million leases, and some clients.
var large = setup{first: "10.1.0.0", last: "10.17.255.255", lease: time.Hour}

// starts measures how long a start takes, to the first acknowledgement, and the memory, by the number of leases.
func starts(ctx context.Context, b *bench) ([]table, error) {
	counts := []int{0, 241, 100_000, 1_000_000}
	t := table{title: "Start to the first DHCPACK, and memory (RSS), with leases in the file", columns: []string{"server"}}
	for _, n := range counts {
		t.columns = append(t.columns, fmt.Sprintf("%d leases, s", n), "MB", "octets/lease")
	}
	for _, p := range b.peers {
		if p.format == nil {
			continue
		}
		row, idle := []string{p.name}, 0.0
		for _, n := range counts {
			into := samples{}
			for range b.runs {
				b.say("%s with %d leases", p.name, n)
				server, err := b.filled(ctx, p, large, n, tomorrow())
				if err != nil {
					return nil, err
				}
				took, err := b.ready(ctx, 0, firstAddr)
				mb := 0.0
				if err == nil {
					mb, err = residentMB(server.pid())
				}
				server.stop(b)
				if err != nil {
					return nil, fmt.Errorf("%s with %d leases: %w", p.name, n, err)
				}
				into.add("took", took.Seconds())
				into.add("memory", mb)
			}
			each := "-"
			if n == 0 {
				idle = median(into["memory"])
			} else if n > 1000 {
				each = fmt.Sprintf("%.0f", (median(into["memory"])-idle)*1e6/float64(n))
			}
			row = append(row, into.cell("took", "%.2f"), into.cell("memory", "%.1f"), each)
		}
		t.rows = append(t.rows, row)
	}
	return []table{t}, nil
}

// fills measures the rate as the pool grows, and as it fills.
func fills(ctx context.Context, b *bench) ([]table, error) {
	cases := []struct {
		last string
		size int
		used float64
	}{
		{"10.1.3.255", 1 << 10, 0}, {"10.1.63.255", 1 << 14, 0}, {"10.16.255.255", 1 << 20, 0},
		{"10.16.255.255", 1 << 20, 0.5}, {"10.16.255.255", 1 << 20, 0.99}, {"10.16.255.255", 1 << 20, 0.9999},
	}
	t := table{title: "Exchanges a second, 64 at a time, by the size of the pool and how much of it is leased", columns: []string{"server"}}
	for _, c := range cases {
		t.columns = append(t.columns, fmt.Sprintf("%d, %.2f %%", c.size, c.used*100))
	}
	for _, p := range b.peers {
		if p.format == nil || p.program == "dhcpd" && len(b.only) == 0 {
			continue // ISC dhcpd takes minutes with the large pool: only if asked for
		}
		row := []string{p.name}
		for _, c := range cases {
			into := samples{}
			for range b.runs {
				b.say("%s with %d addresses, %.2f %% leased", p.name, c.size, c.used*100)
				used := int(float64(c.size) * c.used)
				server, err := b.filled(ctx, p, setup{first: "10.1.0.0", last: c.last, lease: time.Hour}, used, tomorrow())
				if err != nil {
					return nil, err
				}
				var l load
				if _, err = b.ready(ctx, 0, firstAddr); err == nil {
					clients := min(4000, max(1, (c.size-used)/2))
					l, err = b.load(ctx, []string{firstAddr}, "-for", b.each.String(), "-clients", fmt.Sprint(clients), "-first", "1000000")
				}
				server.stop(b)
				if err != nil {
					return nil, err
				}
				into.add("rate", l.Rate)
			}
			row = append(row, into.cell("rate", "%.0f"))
		}
		t.rows = append(t.rows, row)
	}
	return []table{t}, nil
}

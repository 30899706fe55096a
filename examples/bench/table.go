//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// table is a result: a row for each server.
type table struct {
	title   string
	columns []string
	rows    [][]string
}

// String returns the table as Markdown, its columns aligned.
func (t table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", t.title)
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	line := func(cells []string) { fmt.Fprintf(w, "| %s\t|\n", strings.Join(cells, "\t| ")) }
	line(t.columns)
	rule := make([]string, len(t.columns))
	for i, c := range t.columns {
		rule[i] = strings.Repeat("-", max(len(c), 3))
	}
	line(rule)
	for _, r := range t.rows {
		line(r)
	}
	w.Flush()
	return b.String()
}

// median returns the middle of values, NaN-free; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// samples are what was measured of one server, by name of the figure.
type samples map[string][]float64

func (s samples) add(name string, v float64) { s[name] = append(s[name], v) }

// cell is the median of a figure, and how far the runs lie apart.
func (s samples) cell(name, format string) string {
	v := s[name]
	if len(v) == 0 {
		return "-"
	}
	if len(v) == 1 {
		return fmt.Sprintf(format, v[0])
	}
	return fmt.Sprintf(format+" ("+format+".."+format+")", median(v), slices.Min(v), slices.Max(v))
}

// ratio is how many times the figure of s is that of other, by medians.
func (s samples) ratio(other samples, name string) string {
	a, b := median(s[name]), median(other[name])
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// heading tells when, where and how the figures were measured.
func heading(args []string, ps []peer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# bench %s\n\n", strings.Join(args, " "))
	fmt.Fprintf(&b, "%s, %s\n\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), machine())
	for _, p := range ps {
		fmt.Fprintf(&b, "- %s: %s%s\n", p.name, p.note, version(p))
	}
	return b.String()
}

// machine describes the machine: processors, kernel, Go.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if rest, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.Trim(rest, " \t:\n")
				break
			}
		}
	}
	kernel := "unknown kernel"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = "Linux " + unix.ByteSliceToString(u.Release[:])
	}
	return fmt.Sprintf("%d processors (%s), %s, %s", runtime.NumCPU(), model, kernel, runtime.Version())
}

// versionFlag is how the programs tell their version.
var versionFlag = map[string]string{"dhcpd": "--version", "kea-dhcp4": "-v", "dnsmasq": "-v"}

func version(p peer) string {
	if versionFlag[p.program] == "" {
		return ""
	}
	out, err := exec.Command(p.program, versionFlag[p.program]).CombinedOutput()
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return " (" + strings.TrimSpace(first) + ")"
}

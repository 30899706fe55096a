package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// A configuration with a mistake is refused with exit status 1, the place and the reason. This needs no laboratory: -t
// reads the configuration and ends.
func TestConfigurationMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program: not with -short")
	}
	const subnet = "subnet 10.0.10.0 netmask 255.255.255.0 { range 10.0.10.10 10.0.10.20; }\n"
	peer := func(body string) string {
		return "failover peer \"ha\" {\n" + body + "}\nsubnet 10.0.10.0 netmask 255.255.255.0 {\n  pool { failover peer \"ha\"; range 10.0.10.10 10.0.10.20; }\n}\n"
	}
	const where = "address 10.0.10.251; peer address 10.0.10.252; "
	for _, c := range []struct {
		name   string
		text   string
		line   int    // of the mistake; 0 where it is in no line, but in what is missing
		reason string // a pattern in the message
	}{
		{"a semicolon is missing", "default-lease-time 600\nmax-lease-time 600;\n" + subnet, 1, `semicolon`},
		{"an unknown statement", subnet + "\nfrobnicate 3;\n", 3, `frobnicate|expecting a declaration`},
		{"an unknown option", subnet + "option no-such-thing 3;\n", 2, `no-such-thing`},
		{"an address that is none", "subnet 10.0.10.0 netmask 255.255.255.0 {\n  option routers 10.0.300.1;\n}\n", 2, `.`},
		{"a range outside of its subnet", "subnet 10.0.10.0 netmask 255.255.255.0 {\n  range 10.0.11.10 10.0.11.20;\n}\n", 2, `not (on|in)`},
		{"a brace is missing", "subnet 10.0.10.0 netmask 255.255.255.0 {\n  range 10.0.10.10 10.0.10.20;\n", 0, `(?i)brace|declaration|end of file`},
		{"a primary without mclt", peer("  primary; " + where + "split 128;\n"), 0, `(?i)mclt`},
		{"a primary without split", peer("  primary; " + where + "mclt 60;\n"), 0, `split|hba`},
		{"a split above 256", peer("  primary; " + where + "mclt 60;\n  split 257;\n"), 3, `256`},
		{"a split on a secondary", peer("  secondary; " + where + "\n  split 128;\n"), 3, `secondary`},
		{"a partner without an address", peer("  primary; address 10.0.10.251; mclt 60; split 128;\n"), 0, `(?i)peer`},
		{"a pool of an unknown relationship", "subnet 10.0.10.0 netmask 255.255.255.0 {\n  pool {\n    failover peer \"nobody\";\n    range 10.0.10.10 10.0.10.20;\n  }\n}\n", 3, `nobody`},
		{"a file that is not there", subnet + "include \"/nonexistent/dhcpd.conf\";\n", 2, `(?i)no such file`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dhcpd.conf")
			status, out := testConfig(t, file, c.text)
			if status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			if !regexp.MustCompile(c.reason).MatchString(out) {
				t.Errorf("the reason is not given: no %q in\n%s", c.reason, out)
			}
			checkPlace(t, out, file, c.line)
		})
	}
	t.Run("a mistake in an included file is reported there", func(t *testing.T) {
		dir := t.TempDir()
		included := filepath.Join(dir, "shared.conf")
		if err := os.WriteFile(included, []byte("# a comment\n\n"+"default-lease-time;\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		status, out := testConfig(t, filepath.Join(dir, "dhcpd.conf"), fmt.Sprintf("include %q;\n%s", included, subnet))
		if status != 1 {
			t.Errorf("exit status %d, want 1", status)
		}
		checkPlace(t, out, included, 3)
	})
	t.Run("without a mistake the status is 0", func(t *testing.T) {
		if status, out := testConfig(t, filepath.Join(t.TempDir(), "dhcpd.conf"), subnet); status != 0 {
			t.Errorf("exit status %d\n%s", status, out)
		}
	})
}

// testConfig runs the program with -t on a configuration and returns its exit status and what it wrote.
func testConfig(t testing.TB, file, text string) (status int, out string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return runConfigTest(t, "-cf", file)
}

// runConfigTest runs the program with -t and further arguments.
func runConfigTest(t testing.TB, args ...string) (status int, out string) {
	t.Helper()
	dhcpd := program(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := exec.CommandContext(ctx, dhcpd, append([]string{"-4", "-t"}, args...)...).CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("-t does not end\n%s", b)
	}
	if ended, ok := err.(*exec.ExitError); ok {
		return ended.ExitCode(), string(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(b)
}

// placeless matches the messages in which ISC's dhcpd tells no place.
var placeless = regexp.MustCompile(`Can't open|bad range`)

// checkPlace wants FILE:LINE:COLUMN in what a program wrote. ISC's dhcpd writes FILE line LINE, where it has a place to
// tell. A missing semicolon may be noticed on the next line.
func checkPlace(t testing.TB, out, file string, line int) {
	t.Helper()
	pattern := regexp.QuoteMeta(file) + `:(\d+):(\d+)`
	if foreign() {
		if line == 0 || placeless.MatchString(out) {
			return
		}
		pattern = `(?:` + regexp.QuoteMeta(file) + `|` + regexp.QuoteMeta(filepath.Base(file)) + `) line (\d+)()`
	}
	m := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if m == nil {
		t.Errorf("the place is not given: no %q in\n%s", pattern, out)
		return
	}
	if n, err := strconv.Atoi(m[1]); err != nil || line > 0 && (n < line || n > line+1) {
		t.Errorf("got line %s, want %d\n%s", m[1], line, out)
	}
	if m[2] == "0" {
		t.Errorf("columns count from 1\n%s", out)
	}
}

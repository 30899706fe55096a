package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests of this folder run the command in a laboratory of network namespaces, against real clients. They are steered
// by the environment:
//
//	TANDEM_REQUIRE_LAB=1        run everything; what is missing on this machine is a failure, not a skip
//	TANDEM_LAB_DHCPD=FILE       test another dhcpd, such as /usr/sbin/dhcpd of ISC, to compare the two
//	TANDEM_LAB_DHCPD_S1=FILE    the same for one node of a pair only (S1 is the primary, S2 the secondary), which makes
//	TANDEM_LAB_DHCPD_S2=FILE    a mixed pair
//	TANDEM_LAB_RACE=1           build the command under test with the race detector
//	TANDEM_LAB_KILLS=N          how often the server is killed in TestKilledServerRemembers (100)
//	TANDEM_LAB_DIR=DIR          where logs, lease files and captures go (a new folder in the temporary one). They are
//	                            kept if a test fails, or always if this is set.
//
// Most of the time is spent waiting, so that more tests at once than there are processors (-parallel 8) is a good idea.
const (
	envRequire  = "TANDEM_REQUIRE_LAB"
	envProgram  = "TANDEM_LAB_DHCPD"
	envRace     = "TANDEM_LAB_RACE"
	envKills    = "TANDEM_LAB_KILLS"
	envDir      = "TANDEM_LAB_DIR"
	buildPeriod = 5 * time.Minute
)

func TestMain(m *testing.M) {
	code := m.Run()
	if build.dir != "" {
		if err := os.RemoveAll(build.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// build is the command under test, compiled by the first test that asks for it.
var build struct {
	once sync.Once
	dir  string
	err  error
}

// program returns the path of the dhcpd that the node runs, which is "s1" or "s2", or "" for a test without nodes.
func program(t testing.TB, node string) string {
	t.Helper()
	if file := os.Getenv(envProgram + "_" + strings.ToUpper(node)); node != "" && file != "" {
		return file
	}
	if file := os.Getenv(envProgram); file != "" {
		return file
	}
	build.once.Do(func() {
		if build.dir, build.err = os.MkdirTemp("", "tandem-dhcpd-"); build.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), buildPeriod)
		defer cancel()
		args := []string{"build", "-o", filepath.Join(build.dir, "dhcpd")}
		if os.Getenv(envRace) != "" {
			args = append(args, "-race")
		}
		out, err := exec.CommandContext(ctx, "go", append(args, ".")...).CombinedOutput()
		if err != nil {
			build.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return filepath.Join(build.dir, "dhcpd")
}

// foreign reports whether the program under test is not the one of this folder. Its log has ISC's words, but where this
// project promises more than ISC does, a foreign program is held to ISC's.
func foreign() bool { return os.Getenv(envProgram) != "" }

// within returns a context that ends with the test, or after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// lookInterval is how often eventually looks again.
const lookInterval = 50 * time.Millisecond

// eventually looks until look returns nil, and fails the test with look's last error when d has passed.
func eventually(t testing.TB, d time.Duration, look func() error) {
	t.Helper()
	ctx := within(t, d)
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %v still: %v", d, err)
		case <-tick.C:
		}
	}
}

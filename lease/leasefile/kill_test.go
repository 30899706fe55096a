package leasefile_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// childPath, in the environment, turns the test's own program into a server that writes to the file of that name until
// it is killed.
const childPath = "TANDEM_LEASEFILE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		fmt.Fprintln(os.Stderr, serve(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// servers is how many goroutines the child writes with, each ten addresses of its own.
const servers = 8

// serve renews leases for ever, and prints each that is durable, as "address version".
func serve(path string) error {
	s, err := leasefile.Open(path, leasefile.Config{CompactAt: leasefile.Growth{Factor: 3, Size: 64 << 10}})
	if err != nil {
		return err
	}
	have := map[string]lease.Lease{}
	leases, _, err := s.Load(context.Background())
	if err != nil {
		return err
	}
	for l, err := range leases {
		if err != nil {
			return err
		}
		have[l.Addr.String()] = l
	}
	errs := make(chan error)
	for i := range servers {
		go func() {
			mine := map[int]lease.Lease{}
			version := map[int]int{}
			for n := range 10 {
				l := have[leasetest.Addr(10*i+n).String()]
				mine[n], version[n] = l, versionOf(l)
			}
			for {
				n := rand.IntN(10)
				m := (n + 1) % 10
				batch := lease.Batch{}
				for _, k := range []int{n, m} {
					batch.Changes = append(batch.Changes, lease.Change{
						Old: mine[k], New: leasetest.Leased(leasetest.Addr(10*i+k), version[k]+1),
					})
				}
				if err := s.Apply(context.Background(), batch); err != nil {
					errs <- err
					return
				}
				for j, k := range []int{n, m} {
					mine[k] = batch.Changes[j].New
					version[k]++
				}
				fmt.Printf("%v %d %v %d\n", batch.Changes[0].New.Addr, version[n], batch.Changes[1].New.Addr, version[m])
			}
		}()
	}
	return <-errs
}

// versionOf is the inverse of leasetest.Leased, 0 for no lease.
func versionOf(l lease.Lease) int {
	if l.Since.IsZero() {
		return 0
	}
	return int(l.Since.Sub(leasetest.Leased(l.Addr, 0).Since).Seconds())
}

// A process that is killed at any moment has acknowledged nothing that is not there afterwards.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	kills := 30
	if testing.Short() {
		kills = 20
	}
	path := filepath.Join(t.TempDir(), "dhcpd.leases")
	acked := map[string]int{} // version by address
	total := 0
	for range kills {
		child := exec.Command(self, "-test.run=^$")
		child.Env = append(os.Environ(), childPath+"="+path)
		var stderr strings.Builder
		child.Stderr = &stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var once sync.Once
		for left := rand.IntN(300); lines.Scan(); left-- {
			var a, b string
			var n, m int
			if got, _ := fmt.Sscanf(lines.Text()+"|", "%s %d %s %d|", &a, &n, &b, &m); got == 4 {
				acked[a], acked[b] = max(acked[a], n), max(acked[b], m)
				total++
			}
			if left <= 0 {
				once.Do(func() { err = child.Process.Kill() })
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
		}
		s, err := leasefile.Open(path, leasefile.Config{Report: func(err error) {
			var d *leasefile.Damage
			if !errors.As(err, &d) || !d.Torn {
				t.Errorf("reported: %v", err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, l := range contentOf(t, s).leases {
			found[l.Addr.String()] = versionOf(l)
			if want := leasetest.Leased(l.Addr, versionOf(l)); l != want {
				t.Errorf("got\n%+v\nwant\n%+v", l, want)
			}
		}
		for a, n := range acked {
			if found[a] < n {
				t.Errorf("%s is on record as version %d, and %d was acknowledged", a, found[a], n)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d batches acknowledged in %d lives", total, kills)
}

//go:build linux

package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// envLosses is how often the two lose each other in TestInteropLosses. The default is what a run of all tests has time
// for; a thousand take 23 minutes.
const (
	envLosses     = "TANDEM_LAB_LOSSES"
	defaultLosses = 12
)

// readProc reads a file of /proc about a process.
func readProc(t testing.TB, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The two lose each other, in one way or another, at random moments, while 50 clients live on.
func TestInteropLosses(t *testing.T) {
	losses := defaultLosses
	if text := os.Getenv(envLosses); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s=%s: want a number", envLosses, text)
		}
		losses = n
	}
	eachPairing(t, func(t *testing.T, p pairing) {
		f := brief
		f.pool, f.lease, f.mclt, f.delay = 150, 24*time.Second, 12*time.Second, 5*time.Second
		m := mixedPair(t, p, f, 2)
		m.begin(t)
		station := m.probe("c1")
		w := station.tenants(t, station.crowd(macs(50, 1, "")))
		w.settled(t)
		seed := uint64(time.Now().UnixNano())
		t.Logf("%d losses, seed %d", losses, seed)
		r := rand.New(rand.NewPCG(seed, 0))
		cut := m.cutter(t, m.tandem.node)
		count := make(map[string]int)
		for i := range losses {
			// At any moment: in the handshake, the update, or well after it.
			pass(t.Context(), time.Duration(r.Float64()*r.Float64()*float64(4*time.Second)))
			way := "connection"
			switch n := r.IntN(20); {
			case n < 14:
				m.killConnections(t, []string{nodePrimary, nodeSecondary}[r.IntN(2)])
			case n < 16: // shorter than a lease can stand, since clients cannot reach it either
				way = "cable"
				cut()
				pass(t.Context(), time.Duration(r.IntN(4000))*time.Millisecond)
				m.plug(m.tandem.node)
			default:
				s := m.mates()[r.IntN(2)]
				way = s.name
				s.kill()
				pass(t.Context(), time.Duration(r.IntN(1000))*time.Millisecond)
				s.start(t)
			}
			count[way]++
			for _, s := range m.mates() {
				if !s.proc.running() {
					t.Fatalf("%s has ended after loss %d, of %s", s.name, i+1, way)
				}
			}
			if i%50 == 49 { // so that a long run does not end in a surprise
				m.normal(t, time.Minute)
				m.agreeNow(t, agreePeriod)
			}
		}
		t.Logf("lost: %v", count)
		m.normal(t, time.Minute)
		w.end(t)
		m.told.checkNoNak(t)
		m.told.checkGivenOnce(t, len(w.clients))
		m.finish(t)
	})
}

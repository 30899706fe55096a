//go:build linux

package main_test

import (
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// cutter prepares to pull the cable of a node, and returns what does it: at once, where unplug has to start a program
// first. plug puts the cable in again.
func (l *lab) cutter(t testing.TB, node string) func() {
	t.Helper()
	var fd int
	err := inNamespace(l.ns(nodeSwitch), func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	request, err := unix.NewIfreq("p-" + node)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
			t.Fatal(err)
		}
		request.SetUint16(request.Uint16() &^ unix.IFF_UP)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
			t.Fatal(err)
		}
	}
}

// anyMatch reports whether a line matches.
func anyMatch(lines []string, pattern string) bool {
	re := regexp.MustCompile(pattern)
	for _, line := range lines {
		if re.MatchString(line) {
			return true
		}
	}
	return false
}

// Each of the pair is stopped in good order, and is killed, and returns, while clients live on.
func TestInteropStopAndReturn(t *testing.T) {
	eachPairing(t, func(t *testing.T, p pairing) {
		m := mixedPair(t, p, brief, 1)
		m.begin(t)
		station := m.probe("c1")
		w := station.tenants(t, station.crowd(macs(16, 1, "")))
		w.settled(t)
		m.agreeNow(t, agreePeriod)
		next := 1000
		for _, s := range m.mates() {
			for _, end := range []struct {
				name string
				do   func()
			}{
				{"stop", func() { s.stop(t) }},
				{"kill", func() { s.kill() }},
			} {
				t.Run(end.name+"-"+s.name, func(t *testing.T) {
					other := m.partner(s)
					from := other.log.len()
					end.do()
					other.waitLog(t, normalPeriod, from, "to communications-interrupted")
					late := station.crowd(macs(4, next, ""))
					next += 1000
					acquireAll(t, late)
					for _, c := range late {
						if c.server != other.addr {
							t.Errorf("%v was answered by %v, which is stopped", c.mac, c.server)
						}
					}
					s.start(t)
					m.normal(t, 3*normalPeriod)
					m.agreeNow(t, agreePeriod)
				})
			}
		}
		w.end(t)
		m.told.checkNoNak(t)
		m.finish(t)
	})
}

// The primary is alone at first. It serves nobody, since it may have forgotten something, until the secondary comes.
func TestInteropLateSecondary(t *testing.T) {
	eachPairing(t, func(t *testing.T, p pairing) {
		m := mixedPair(t, p, brief, 1)
		first, second := m.mates()[0], m.mates()[1]
		clients := m.probe("c1").crowd(macs(6, 1, ""))
		first.start(t)
		for i, got := range discoverAll(t, clients, 10) {
			if len(got) > 0 {
				t.Errorf("%v was offered something by %v, which has never met its partner", clients[i].mac, got)
			}
		}
		second.start(t)
		m.normal(t, 2*normalPeriod)
		m.sharedOut(t)
		acquireAll(t, clients)
		m.agreeNow(t, agreePeriod)
		m.finish(t)
	})
}

// The servers lose sight of each other while both serve, more than once.
func TestInteropCut(t *testing.T) {
	eachPairing(t, func(t *testing.T, p pairing) {
		f := brief
		f.pool = 120
		m := mixedPair(t, p, f, 2)
		m.begin(t)
		station := m.probe("c1")
		w := station.tenants(t, station.crowd(macs(20, 1, "")))
		w.settled(t)
		for i, cut := range []struct {
			name string
			cut  func()
			heal func()
		}{
			{"isolated", m.isolate, m.heal},
			{"connection-killed", func() { m.killConnections(t, m.tandem.node) }, func() {}},
		} {
			t.Run(cut.name, func(t *testing.T) {
				from := [2]int{m.isc.log.len(), m.tandem.log.len()}
				cut.cut()
				before := station.crowd(macs(8, 1000*(i+1), ""))
				acquireAll(t, before)
				for _, c := range before[1:] {
					w.add(c, 0) // MCLT is soon over
				}
				for i, s := range []*mate{m.isc, m.tandem} {
					s.waitLog(t, m.delay+normalPeriod, from[i], "I move from normal to communications-interrupted")
				}
				if err := before[0].release(); err != nil {
					t.Error(err)
				}
				acquireAll(t, station.crowd(macs(8, 1000*(i+1)+500, "")))
				w.settled(t)
				cut.heal()
				m.normal(t, 3*normalPeriod)
				m.agreeNow(t, agreePeriod)
			})
		}
		w.end(t)
		m.told.checkNoNak(t)
		m.finish(t)
	})
}

// killConnections ends the failover connections of a node as a crash of its kernel's TCP would: both ends hear of it.
func (l *lab) killConnections(t testing.TB, node string) {
	t.Helper()
	l.run("", "ip", "netns", "exec", l.ns(node), "ss", "-K", "-t", "state", "established", "( sport = 678 or dport = 678 )")
}

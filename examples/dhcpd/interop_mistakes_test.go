//go:build linux

package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// One of the pair, new, is configured wrongly. The two do not become partners, Tandem says why, neither ends; and when the
// mistake is corrected all is well.
func TestInteropMistakes(t *testing.T) {
	eachPairing(t, func(t *testing.T, p pairing) {
		for _, c := range []struct {
			name     string
			from, to string // in Tandem's dhcpd.conf
			says     string // a pattern in Tandem's log
		}{
			{"name", `"` + relationship + `"`, `"other"`, `invalid failover partner|relationship`},
			{"address", "peer address 10.0.10.25", "peer address 10.0.10.7", `no matching state`},
			{"role", "", "", `both servers are|CONNECT before CONNECTACK|primary`},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				m := mixedPair(t, p, brief, 1)
				right := m.conf(m.tandem.node, "")
				wrong := strings.ReplaceAll(right, c.from, c.to)
				switch {
				case c.name != "role":
				case p.isc == nodePrimary:
					wrong = strings.ReplaceAll(right, "  secondary;\n", "  primary;\n  mclt 6;\n  split 128;\n")
					c.says = `CONNECT|primary`
				default:
					wrong = strings.ReplaceAll(right, "  primary;\n  mclt 6;\n  split 128;\n", "  secondary;\n")
					c.says = `` // two secondaries wait for each other, for ever
				}
				m.tandem.write("dhcpd.conf", wrong)
				for _, s := range m.mates() {
					s.start(t)
				}
				if c.says != "" {
					m.tandem.waitLog(t, 15*time.Second, 0, c.says)
				}
				pass(t.Context(), 8*time.Second)
				for _, s := range m.mates() {
					if anyMatch(s.log.since(0), "I move from .* to normal") {
						t.Errorf("%s became normal", s.name)
					}
				}
				clients := m.probe("c1").crowd(macs(4, 1, ""))
				for i, got := range discoverAll(t, clients, 10) {
					if len(got) > 0 {
						t.Errorf("%v was offered something by %v, which is new", clients[i].mac, got)
					}
				}
				m.tandem.write("dhcpd.conf", right)
				m.tandem.stop(t)
				m.tandem.start(t)
				m.normal(t, 25*time.Second)
				acquireAll(t, clients)
				m.finish(t)
			})
		}
	})
}

// What a partner must not say in its first message, and what Tandem says to that.
func TestInteropRefusals(t *testing.T) {
	type refusal struct {
		name string
		skew time.Duration
		edit func(*failover.Connect, *failover.ConnectAck)
		want failover.RejectReason // 0 for none
	}
	none := func(*failover.Connect, *failover.ConnectAck) {}
	both := []refusal{
		{"the clock is 61 seconds ahead", 61*time.Second + 500*time.Millisecond, none, failover.RejectTimeMismatch},
		{"the clock is 61 seconds behind", -61*time.Second - 500*time.Millisecond, none, failover.RejectTimeMismatch},
		{"another name", 0, func(c *failover.Connect, a *failover.ConnectAck) { c.Name, a.Name = "other", "other" }, failover.RejectInvalidPartner},
		{"a name with a NUL", 0, func(c *failover.Connect, a *failover.ConnectAck) { c.Name, a.Name = relationship+"x", relationship+"x" }, failover.RejectInvalidPartner},
		{"no name", 0, func(c *failover.Connect, a *failover.ConnectAck) { c.Name, a.Name = "", "" }, failover.RejectInvalidPartner},
	}
	of := map[string][]refusal{
		nodePrimary: append([]refusal{ // the script is primary
			{"MCLT 0", 0, func(c *failover.Connect, _ *failover.ConnectAck) { c.MCLT = 0 }, failover.RejectInvalidMCLT},
			{"no MCLT", 0, func(c *failover.Connect, _ *failover.ConnectAck) { c.Omit(failover.OptionMCLT) }, failover.RejectInvalidMCLT},
			{"no hash buckets", 0, func(c *failover.Connect, _ *failover.ConnectAck) { c.Omit(failover.OptionHashBucketAssignment) }, failover.RejectHashBucket},
			{"TLS is required", 0, func(c *failover.Connect, _ *failover.ConnectAck) { c.TLSRequest = 2 }, failover.RejectTLSUnsupported},
		}, both...),
		nodeSecondary: both,
	}
	for role, cases := range of {
		t.Run("script-"+role, func(t *testing.T) {
			long(t)
			t.Parallel()
			other := nodeSecondary
			if role == nodeSecondary {
				other = nodePrimary
			}
			m := loneTandem(t, other, brief, 1)
			station := m.probe("c1")
			for i, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					s := m.script(t, role, m.tandem.addr)
					s.skew = c.skew
					say, ack := connect(m.mclt), connectAck()
					c.edit(say, ack)
					var err error
					if role == nodePrimary {
						err = s.send(say)
					} else {
						var xid uint32
						if _, xid, err = next[*failover.Connect](s); err == nil {
							err = s.reply(xid, ack)
						}
					}
					if err != nil {
						t.Fatal(err)
					}
					if got, err := s.refused(); err != nil || got != c.want {
						t.Errorf("refused with %v, %v, want %v", got, err, c.want)
					}
					m.stillServes(t, station.player(macs(1, 100*i+1, "")[0]))
				})
			}
			t.Run("a partner that is right is taken", func(t *testing.T) {
				if err := m.script(t, role, m.tandem.addr).greet(role, m.mclt); err != nil {
					t.Fatal(err)
				}
				m.tandem.waitState(t, normalPeriod, "normal")
			})
		})
	}
}

//go:build linux

package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// splitExchanges is how many clients take an address on each half of a split switch.
const splitExchanges = 200

// wideSubnet has room for all of them, and the servers' addresses.
const (
	wideSubnet = "10.0.8.0/22"
	wideFirst  = "10.0.8.10"
	wideLast   = "10.0.10.250"
)

// widePool declares it for dhcpd.
const widePool = `subnet 10.0.8.0 netmask 255.255.252.0 {
  default-lease-time 3600;
  pool {
    failover peer "ha-dhcp";
    range ` + wideFirst + " " + wideLast + `;
  }
}
`

// wideLab is a lab whose servers know the way to all of the wide subnet.
func wideLab(t *testing.T, clients int) *lab {
	t.Helper()
	l := newLab(t, clients)
	for _, node := range []string{nodePrimary, nodeSecondary} {
		l.ip(node, "route add "+wideSubnet+" dev eth0\n")
	}
	return l
}

// splitSwitch splits the switch, and has 200 clients on each half ask for an address until they have one. Afterwards the
// halves are still apart. It returns how many DHCPACKs there were, and which addresses two clients hold.
func splitSwitch(t *testing.T, l *lab) (acks int, doubled []string) {
	t.Helper()
	var crowd []*player
	for side, node := range []string{"c1", "c2"} {
		crowd = append(crowd, l.probe(node).crowd(macs(splitExchanges, 10000*side, ""))...)
	}
	before := l.told.count()
	l.split()
	ctx := within(t, 3*time.Minute)
	if err := everyone(crowd, func(c *player) error { _, err := c.acquire(ctx); return err }); err != nil {
		t.Error(err)
	}
	return l.told.count() - before, l.told.takeDoubled()
}

// takeDoubled returns the faults that are an address given to two, and forgets them.
func (l *told) takeDoubled() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var doubled, others []string
	for _, f := range l.faults {
		if strings.Contains(f, " was given to ") {
			doubled = append(doubled, f)
		} else {
			others = append(others, f)
		}
	}
	l.faults = others
	return doubled
}

// A switch is split, and 200 clients on each half are served: no address is given twice, and when the switch is whole again
// both servers know of each.
func TestSplitSwitch(t *testing.T) {
	long(t)
	t.Parallel()
	l := wideLab(t, 2)
	p := &pair{l, l.server(nodePrimary, seed(t, "primary/dhcpd.conf")), l.server(nodeSecondary, seed(t, "secondary/dhcpd.conf"))}
	p.share(widePool)
	p.meet(t)
	eventually(t, agreePeriod, func() error { // the secondary has its share
		n := 0
		for _, r := range p.secondary.leases(t).leases {
			if r.state == "backup" {
				n++
			}
		}
		if n < splitExchanges {
			return fmt.Errorf("%s has %d addresses to give", nodeSecondary, n)
		}
		return nil
	})
	acks, doubled := splitSwitch(t, l)
	t.Logf("%d DHCPACKs on the two halves, %d addresses given to two clients", acks, len(doubled))
	for _, d := range doubled {
		t.Error(d)
	}
	p.told.checkGivenOnce(t, 2*splitExchanges)
	p.heal()
	p.normal(t, 4*normalPeriod)
	eventually(t, 4*agreePeriod, func() error {
		f, g := p.primary.leases(t), p.secondary.leases(t)
		return errors.Join(p.told.onRecord(f), p.told.onRecord(g), sameStates(f, g), sameStates(g, f))
	})
	p.checkCaptures(t)
}

// sameStates returns an error if an address of f has another binding state or another client in g.
func sameStates(f, g *leaseFile) error {
	for a, x := range f.leases {
		if y := g.record(a); x.state != y.state || x.state == "active" && x.hw != y.hw {
			return fmt.Errorf("%v is %s %s, and %s %s at the partner", a, x.state, x.hw, y.state, y.hw)
		}
	}
	return nil
}

// keaTools are what a pair of Kea servers needs. The hook library comes with it.
var keaTools = map[string]string{"kea-dhcp4": "kea-dhcp4-server"}

// The same on a Kea hot-standby pair, which does not divide its pool: on a split switch both servers give the same
// addresses. It shows that the check of TestSplitSwitch finds what there is to find, and fails if it finds nothing.
func TestSplitSwitchOfKea(t *testing.T) {
	long(t)
	need(t, keaTools)
	t.Parallel()
	l := wideLab(t, 2)
	for _, node := range []string{nodePrimary, nodeSecondary} {
		log := l.kea(node)
		defer func() {
			if t.Failed() {
				lines := log.since(0)
				t.Logf("the last lines of %s:\n  %s", node, strings.Join(lines[max(0, len(lines)-15):], "\n  "))
			}
		}()
		if _, err := log.wait(within(t, time.Minute), 0, contains("DHCP4_STARTED")); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if _, err := log.wait(within(t, time.Second), 0, contains("PARTNER-DOWN")); err != nil {
				t.Errorf("%s never took the other for dead: %v", node, err)
			}
		}()
		if node == nodeSecondary {
			if _, err := log.wait(within(t, time.Minute), 0, contains("to HOT-STANDBY state")); err != nil {
				t.Fatal(err)
			}
		}
	}
	acks, doubled := splitSwitch(t, l)
	t.Logf("%d DHCPACKs on the two halves, %d addresses given to two clients", acks, len(doubled))
	if len(doubled) == 0 {
		t.Error("no address was given twice: does the check look at all?")
	} else {
		t.Logf("such as: %s", doubled[0])
	}
}

// kea starts a server of a Kea hot-standby pair, and returns what it logs. s1 is the primary.
func (l *lab) kea(node string) *journal {
	l.t.Helper()
	hooks, err := filepath.Glob("/usr/lib/*/kea/hooks/libdhcp_ha.so")
	if err != nil || len(hooks) != 1 {
		l.t.Fatalf("kea-dhcp4 is here, but its hook library libdhcp_ha.so is not: %v, %v", hooks, err)
	}
	dir := filepath.Join(l.dir, node+"-kea")
	conf := filepath.Join(dir, "kea-dhcp4.conf")
	text, err := json.MarshalIndent(keaConf(node, dir, filepath.Dir(hooks[0])), "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(conf, text, 0o644)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	p := l.start(node+"-kea", node, "env", "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir, "kea-dhcp4", "-c", conf)
	return p.log
}

// keaConf is the configuration of a server of the pair, with the times shortened of Kea's manual for hot standby.
func keaConf(node, dir, hooks string) any {
	type m map[string]any
	type list []any
	peer := func(node, role string) m {
		return m{"name": node, "url": fmt.Sprintf("http://%v:8000/", serverAddr[node]), "role": role, "auto-failover": true}
	}
	return m{"Dhcp4": m{
		"interfaces-config": m{"interfaces": list{"eth0"}},
		"control-socket":    m{"socket-type": "unix", "socket-name": filepath.Join(dir, "control")},
		"lease-database":    m{"type": "memfile", "name": filepath.Join(dir, "leases.csv"), "lfc-interval": 0},
		"valid-lifetime":    3600,
		"multi-threading":   m{"enable-multi-threading": true, "thread-pool-size": 2, "packet-queue-size": 64},
		"subnet4":           list{m{"subnet": wideSubnet, "pools": list{m{"pool": wideFirst + " - " + wideLast}}}},
		"loggers":           list{m{"name": "kea-dhcp4", "severity": "INFO", "output_options": list{m{"output": "stdout"}}}},
		"hooks-libraries": list{
			m{"library": filepath.Join(hooks, "libdhcp_lease_cmds.so")},
			m{"library": filepath.Join(hooks, "libdhcp_ha.so"), "parameters": m{"high-availability": list{m{
				"this-server-name": node, "mode": "hot-standby",
				"heartbeat-delay": 1000, "max-response-delay": 5000, "max-ack-delay": 2000, "max-unacked-clients": 5,
				"multi-threading": m{
					"enable-multi-threading": true, "http-dedicated-listener": true, "http-listener-threads": 2, "http-client-threads": 2,
				},
				"peers": list{peer(nodePrimary, "primary"), peer(nodeSecondary, "standby")},
			}}}},
		},
	}}
}

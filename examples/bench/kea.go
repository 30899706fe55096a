//go:build linux

package main

import (
	"encoding/json"
	"path/filepath"
)

// keaHooks returns the folder of Kea's hook libraries, or "" if that for failover pairs is not installed.
func keaHooks() string {
	found, err := filepath.Glob("/usr/lib/*/kea/hooks/libdhcp_ha.so")
	if err != nil || len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[0])
}

func keaSettled() string {
	if keaHooks() == "" {
		return ""
	}
	return "to HOT-STANDBY state"
}

// keaConf is a configuration for Kea. A pair of it is a hot-standby pair: one serves, the other holds copies of the
// leases, which the first waits for. Its times are Kea's defaults; but it does not wait for clients that ask in vain for
// long (max-unacked-clients 0), because those of the loads say that they have only begun.
func keaConf(p place) map[string]string {
	type m map[string]any
	type list []any
	loggers := list{m{"name": "kea-dhcp4", "severity": "WARN", "output_options": list{m{"output": "stdout"}}}}
	conf := m{
		"interfaces-config": m{"interfaces": list{"eth0"}, "dhcp-socket-type": "udp"},
		"lease-database":    m{"type": "memfile", "persist": true, "name": filepath.Join(p.data, "leases.csv"), "lfc-interval": 0},
		"valid-lifetime":    int(p.setup.lease.Seconds()), "authoritative": true,
		"option-data": list{m{"name": "domain-name", "data": "example.org"}, m{"name": "domain-name-servers", "data": "10.0.0.1"}},
		"subnet4": list{m{
			"subnet": "10.0.0.0/8", "pools": list{m{"pool": p.setup.first + " - " + p.setup.last}},
			"option-data": list{m{"name": "routers", "data": "10.0.0.1"}},
		}},
	}
	if role := p.setup.peer; role != "" {
		peer := func(name, addr, role string) m {
			return m{"name": name, "url": "http://" + addr + ":8000/", "role": role, "auto-failover": true}
		}
		conf["control-socket"] = m{"socket-type": "unix", "socket-name": p.file("control")}
		conf["multi-threading"] = m{"enable-multi-threading": true, "thread-pool-size": 2, "packet-queue-size": 64}
		conf["hooks-libraries"] = list{
			m{"library": filepath.Join(keaHooks(), "libdhcp_lease_cmds.so")},
			m{"library": filepath.Join(keaHooks(), "libdhcp_ha.so"), "parameters": m{"high-availability": list{m{
				"this-server-name": role, "mode": "hot-standby",
				"heartbeat-delay": 10000, "max-response-delay": 60000, "max-ack-delay": 10000, "max-unacked-clients": 0,
				"multi-threading": m{
					"enable-multi-threading": true, "http-dedicated-listener": true, "http-listener-threads": 2, "http-client-threads": 2,
				},
				"peers": list{peer("primary", firstAddr, "primary"), peer("secondary", secondAddr, "standby")},
			}}}},
		}
		loggers = append(loggers, m{"name": "kea-dhcp4.ha-hooks", "severity": "INFO", "output_options": list{m{"output": "stdout"}}})
	}
	conf["loggers"] = loggers
	text, err := json.MarshalIndent(m{"Dhcp4": conf}, "", "  ")
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return map[string]string{p.file("conf"): string(text)}
}

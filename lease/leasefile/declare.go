package leasefile

import (
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Longest texts that go into ISC's own statements. What is longer stands in the comment of Tandem's alone, because
// ISC dhcpd holds a token in 1500 octets and a hardware address in 20.
const (
	maxISCText     = 255
	maxISCHardware = 20
)

// leaseDecl is what the statements of a lease stanza say: the lease as ISC dhcpd would know it.
type leaseDecl struct {
	addr                                  netip.Addr
	starts, ends, tstp, tsfp, atsfp, cltt time.Time
	hasTSTP                               bool
	status, rewind                        lease.Status // zero where there is no such statement
	onEnd                                 bool         // there is an `on expiry` or `on release`
	flags                                 lease.Flags
	hardware                              lease.HWAddr
	uid, vendorClass, relayInfo, hostName string
}

// lease makes the Lease of a declaration by the rules by which ISC dhcpd imports it, where they say more than the
// statements do:
//   - without tstp it is the end of the lease;
//   - the partner is up to date if atsfp is not before tstp;
//   - without a binding state the lease is active if it ends in the future or has something to do at its end.
//
// tsfp is one statement for two times. Where it equals tstp the partner has acknowledged what it was sent, where it
// does not the time is the partner's own.
func (d *leaseDecl) lease(now time.Time) lease.Lease {
	l := lease.Lease{
		Addr: d.addr, Status: d.status, Rewind: d.rewind, Flags: d.flags,
		Client: lease.Client{ID: d.uid, HW: d.hardware},
		Since:  d.starts, Expiry: d.ends, LastTransaction: d.cltt, SentPotentialExpiry: d.tstp,
		HostName: d.hostName, VendorClass: d.vendorClass, RelayInfo: d.relayInfo,
	}
	if !d.hasTSTP {
		l.SentPotentialExpiry = d.ends
	}
	if d.tsfp.Equal(l.SentPotentialExpiry) {
		l.AckedPotentialExpiry = d.tsfp
	} else {
		l.ReceivedPotentialExpiry = d.tsfp
	}
	l.Unacked = d.atsfp.Before(l.SentPotentialExpiry)
	if l.Status == 0 {
		l.Status = lease.Free
		if d.onEnd || d.ends.After(now) {
			l.Status = lease.Active
		}
	}
	return l
}

// declare is the inverse of leaseDecl.lease as far as ISC's statements go.
func declare(l *lease.Lease) leaseDecl {
	d := leaseDecl{
		addr: l.Addr, starts: iscTime(l.Since), ends: iscTime(l.Expiry), cltt: iscTime(l.LastTransaction),
		tstp: iscTime(l.SentPotentialExpiry), tsfp: iscTime(l.KnownExpiry()),
		status: l.Status, flags: l.Flags & (lease.Reserved | lease.BOOTP),
	}
	d.hasTSTP = !d.tstp.IsZero()
	if !l.Unacked {
		d.atsfp = d.tstp
	}
	if l.Rewind.Valid() {
		d.rewind = l.Rewind
	}
	if len(l.Client.HW) <= 1+maxISCHardware {
		d.hardware = l.Client.HW
	}
	if len(l.Client.ID) <= maxISCText {
		d.uid = l.Client.ID
	}
	if len(l.VendorClass) <= maxISCText {
		d.vendorClass = l.VendorClass
	}
	if len(l.HostName) <= maxISCText && plain(l.HostName) {
		d.hostName = l.HostName
	}
	d.relayInfo = iscRelayInfo(l.RelayInfo)
	return d
}

// iscRelayInfo returns the sub-options of option 82 that have statements, which are mostly all.
func iscRelayInfo(v string) string {
	n := 0
	for code, value := range subOptions(v) {
		if agentName(code) != "" && value != "" {
			n += 2 + len(value)
		}
	}
	if n == len(v) {
		return v
	}
	said := ""
	for code, value := range subOptions(v) {
		if agentName(code) != "" && value != "" {
			said = appendSubOption(said, code, value)
		}
	}
	return said
}

// hardwareNames are the hardware types that ISC dhcpd has words for; the others are unknown-N.
var hardwareNames = [...]string{1: "ethernet", 6: "token-ring", 8: "fddi", 32: "infiniband"}

// agentNames are the sub-options of option 82 that Tandem writes as statements.
var agentNames = [...]string{1: "circuit-id", 2: "remote-id"}

func agentName(code byte) string {
	if int(code) < len(agentNames) {
		return agentNames[code]
	}
	return ""
}

// subOptions gives the code and value of each sub-option in the value of option 82, up to the first that is cut
// short.
func subOptions(v string) func(yield func(code byte, value string) bool) {
	return func(yield func(byte, string) bool) {
		for len(v) >= 2 && len(v) >= 2+int(v[1]) {
			n := 2 + int(v[1])
			if !yield(v[0], v[2:n]) {
				return
			}
			v = v[n:]
		}
	}
}

func appendSubOption(v string, code byte, value string) string {
	return v + string([]byte{code, byte(len(value))}) + value
}

// stateNames are the states of a failover endpoint as ISC dhcpd writes them, by their numbers on the wire (draft
// 12.24; 254 is ISC's own).
var stateNames = [...]string{
	0: "unknown-state", 1: "startup", 2: "normal", 3: "communications-interrupted", 4: "partner-down",
	5: "potential-conflict", 6: "recover", 7: "paused", 8: "shutdown", 9: "recover-done",
	10: "resolution-interrupted", 11: "conflict-done", 254: "recover-wait",
}

// stateName returns the name of a state, or "unknown-state" for a number that has none.
func stateName(n uint8) string {
	if int(n) < len(stateNames) && stateNames[n] != "" {
		return stateNames[n]
	}
	return stateNames[0]
}

// peerDecl is what the statements of a `failover peer state` stanza say.
type peerDecl struct {
	name                string
	my, partner         uint8
	mySince, partnSince time.Time
	hasMy, hasPartner   bool  // there was a date; without one ISC dhcpd takes the time of reading
	mclt                int64 // s
}

func (d *peerDecl) peer(now time.Time) lease.Peer {
	p := lease.Peer{
		Name: d.name, State: d.my, Since: d.mySince, Partner: d.partner, PartnerSince: d.partnSince,
		MCLT: time.Duration(d.mclt) * time.Second,
	}
	if !d.hasMy {
		p.Since = lease.Second(now)
	}
	if !d.hasPartner {
		p.PartnerSince = lease.Second(now)
	}
	return p
}

package leasefile

import (
	"strconv"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// appendLease appends the stanza of l, in the order and words of ISC dhcpd. failover says whether l's pool has a
// partner.
func appendLease(b []byte, l *lease.Lease, failover bool) []byte {
	d := declare(l)
	b = append(b, "lease "...)
	b = d.addr.AppendTo(b)
	b = append(b, " {\n"...)
	b = appendTime(b, "starts", d.starts)
	b = appendTime(b, "ends", d.ends)
	b = appendTime(b, "tstp", d.tstp)
	b = appendTime(b, "tsfp", d.tsfp)
	b = appendTime(b, "atsfp", d.atsfp)
	b = appendTime(b, "cltt", d.cltt)
	b = appendWord(b, "binding state", d.status.String())
	if next := nextStatus(d.status, failover); next != d.status {
		b = appendWord(b, "next binding state", next.String())
	}
	if d.rewind != 0 {
		b = appendWord(b, "rewind binding state", d.rewind.String())
	}
	if d.flags&lease.Reserved != 0 {
		b = append(b, "  reserved;\n"...)
	}
	if d.flags&lease.BOOTP != 0 {
		b = append(b, "  dynamic-bootp;\n"...)
	}
	if d.hardware != "" {
		b = append(b, "  hardware "...)
		if t := int(d.hardware.Type()); t < len(hardwareNames) && hardwareNames[t] != "" {
			b = append(b, hardwareNames[t]...)
		} else {
			b = strconv.AppendInt(append(b, "unknown-"...), int64(t), 10)
		}
		if len(d.hardware) > 1 {
			b = appendOctets(append(b, ' '), d.hardware.Addr())
		}
		b = append(b, ";\n"...)
	}
	b = appendText(b, "  uid ", d.uid)
	b = appendText(b, "  set vendor-class-identifier = ", d.vendorClass)
	for code, value := range subOptions(d.relayInfo) {
		b = append(append(append(b, "  option agent."...), agentName(code)...), ' ')
		if plain(value) {
			b = appendQuoted(b, value)
		} else {
			b = appendOctets(b, value)
		}
		b = append(b, ";\n"...)
	}
	b = appendText(b, "  client-hostname ", d.hostName)
	got := d.lease(time.Time{})
	if got == *l {
		return append(b, "  "+ownMark+"\n}\n"...)
	}
	said := got // so that got itself stays on the stack
	b = appendExactLease(b, &said, l)
	return append(b, "}\n"...)
}

// nextStatus is what ISC dhcpd is told that a lease becomes at its end. Without that word it would never end an
// active lease.
func nextStatus(s lease.Status, failover bool) lease.Status {
	switch {
	case s == lease.Active && failover:
		return lease.Expired
	case s.Available():
		return s
	}
	return lease.Free
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(append(b, "  "...), name...), ' ')
	return append(appendDate(b, t), ";\n"...)
}

func appendWord(b []byte, name, word string) []byte {
	b = append(append(append(b, "  "...), name...), ' ')
	return append(append(b, word...), ";\n"...)
}

func appendText(b []byte, statement, text string) []byte {
	if text == "" {
		return b
	}
	return append(appendQuoted(append(b, statement...), text), ";\n"...)
}

// appendPeer appends the stanza of p. ISC dhcpd knows mclt in a secondary's stanza only, as Peer does.
func appendPeer(b []byte, p *lease.Peer) []byte {
	d := peerDecl{
		name: p.Name, my: p.State, partner: p.Partner, mySince: iscTime(p.Since), partnSince: iscTime(p.PartnerSince),
		hasMy: true, hasPartner: true, mclt: int64(p.MCLT / time.Second),
	}
	if stateName(d.my) == stateNames[0] {
		d.my = 0
	}
	if stateName(d.partner) == stateNames[0] {
		d.partner = 0
	}
	b = append(b, "failover peer "...)
	b = append(appendQuoted(b, d.name), " state {\n"...)
	b = appendState(b, "my", d.my, d.mySince)
	b = appendState(b, "partner", d.partner, d.partnSince)
	if d.mclt != 0 {
		b = strconv.AppendInt(append(b, "  mclt "...), d.mclt, 10)
		b = append(b, ";\n"...)
	}
	got := d.peer(time.Time{})
	b = appendExactPeer(b, &got, p)
	return append(b, "}\n"...)
}

// appendState writes a zero time as 1970, because without a date ISC dhcpd takes the time of reading.
func appendState(b []byte, who string, state uint8, since time.Time) []byte {
	b = append(append(append(b, "  "...), who...), " state "...)
	b = append(append(b, stateName(state)...), " at "...)
	if since.IsZero() {
		return append(b, "epoch 0;\n"...)
	}
	return append(appendDate(b, since), ";\n"...)
}

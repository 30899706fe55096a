package leasefile

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// A file of a million leases is mostly stanzas that appendLease or ISC dhcpd has written, a line a statement. quick reads
// those, and leaves whatever else it meets to cut and parseStanza, which read everything and take four times as long.

// quick reads the lease stanza that b begins with, and returns how long it is. It reports false if that is not exactly as
// those write it, which says nothing of its worth; and if it does not end in b.
func quick(b []byte) (d declared, n int, ok bool) {
	line, rest, ok := cutLine(b)
	line, named := bytes.CutPrefix(line, []byte("lease "))
	line, opened := bytes.CutSuffix(line, []byte(" {"))
	if !ok || !named || !opened {
		return d, 0, false
	}
	var x leaseDecl
	if x.addr, ok = quickAddr(line); !ok {
		return d, 0, false
	}
	var exact []byte
	for {
		if len(rest) > 0 && rest[0] == '}' {
			l := x.lease(time.Time{})
			if x.status == 0 || !quickExact(&l, exact) {
				return d, 0, false
			}
			d.lease = l
			return d, len(b) - len(rest) + 1, true
		}
		if line, rest, ok = cutLine(rest); !ok || d.ours {
			return d, 0, false // the mark is the last
		}
		if said, ok := bytes.CutPrefix(line, []byte("  "+ownMark)); ok {
			exact, d.ours = said, true
			continue
		}
		if !quickStatement(&x, line) {
			return d, 0, false
		}
	}
}

// cutLine cuts b after its first line, which it returns without the newline.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// quickStatement reads one line.
func quickStatement(d *leaseDecl, line []byte) (ok bool) {
	if len(line) < 4 || line[0] != ' ' || line[1] != ' ' || line[len(line)-1] != ';' {
		return false
	}
	word, rest, _ := bytes.Cut(line[2:len(line)-1], []byte{' '})
	switch string(word) {
	case "starts":
		d.starts, ok = quickDate(rest)
	case "ends":
		d.ends, ok = quickDate(rest)
	case "tstp":
		d.tstp, ok = quickDate(rest)
		d.hasTSTP = true
	case "tsfp":
		d.tsfp, ok = quickDate(rest)
	case "atsfp":
		d.atsfp, ok = quickDate(rest)
	case "cltt":
		d.cltt, ok = quickDate(rest)
	case "binding":
		d.status, ok = quickState(rest)
	case "next":
		rest, ok = bytes.CutPrefix(rest, []byte("binding "))
		if ok {
			_, ok = quickState(rest)
		}
	case "rewind":
		rest, ok = bytes.CutPrefix(rest, []byte("binding "))
		if ok {
			d.rewind, ok = quickState(rest)
		}
	case "reserved":
		d.flags |= lease.Reserved
		ok = len(rest) == 0
	case "dynamic-bootp":
		d.flags |= lease.BOOTP
		ok = len(rest) == 0
	case "hardware":
		d.hardware, ok = quickHardware(rest)
	case "uid":
		d.uid, ok = quickText(rest)
	case "client-hostname":
		d.hostName, ok = quickText(rest)
	case "set":
		rest, ok = bytes.CutPrefix(rest, []byte("vendor-class-identifier = "))
		if ok {
			d.vendorClass, ok = quickText(rest)
		}
	case "option":
		ok = quickOption(d, rest)
	}
	return ok
}

// quickOption reads "agent.circuit-id VALUE", the value as octets or as a string.
func quickOption(d *leaseDecl, b []byte) bool {
	name, value, _ := bytes.Cut(b, []byte{' '})
	name, ok := bytes.CutPrefix(name, []byte("agent."))
	code := slices.Index(agentNames[:], string(name))
	if !ok || code <= 0 {
		return false
	}
	v, ok := quickText(value)
	if !ok {
		var err error
		v, err = parseOctets(value)
		ok = err == nil
	}
	if !ok || len(v) > 255 {
		return false
	}
	d.relayInfo = appendSubOption(d.relayInfo, byte(code), v)
	return true
}

// quickAddr reads "10.0.0.1".
func quickAddr(b []byte) (netip.Addr, bool) {
	var a [4]byte
	part, n, digits := 0, 0, 0
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9' && digits < 3 && !(digits > 0 && n == 0):
			n = n*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && n <= 255 && part < 3:
			a[part] = byte(n)
			part, n, digits = part+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	a[part] = byte(n)
	return netip.AddrFrom4(a), part == 3 && digits > 0 && n <= 255
}

// quickDate reads "6 2026/11/28 02:38:29", or "never".
func quickDate(b []byte) (time.Time, bool) {
	if string(b) == "never" {
		return lease.Never, true
	}
	const form = "6 2026/11/28 02:38:29"
	if len(b) != len(form) {
		return time.Time{}, false
	}
	for i := range b {
		if c := form[i]; '0' <= c && c <= '9' {
			if b[i] < '0' || b[i] > '9' {
				return time.Time{}, false
			}
		} else if b[i] != c {
			return time.Time{}, false
		}
	}
	two := func(at int) int { return int(b[at]-'0')*10 + int(b[at+1]-'0') }
	year, month, day := two(2)*100+two(4), two(7), two(10)
	hour, minute, second := two(13), two(16), two(19)
	if year < 1970 || year >= 2038 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	// The years begin in March here, so that the day that some have more is their last: by days of 400 years (146,097), of
	// 4 (1,461), and of the months, of which five are 153 (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
	y, m := year, month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	days := y*365 + y/4 - y/100 + y/400 + (153*m+2)/5 + day - 1 - 719468
	return lease.FromUnix(int64(days)*86400 + int64(hour*3600+minute*60+second)), true
}

// quickState reads "state active".
func quickState(b []byte) (lease.Status, bool) {
	name, ok := bytes.CutPrefix(b, []byte("state "))
	if !ok {
		return 0, false
	}
	switch string(name) {
	case "active":
		return lease.Active, true
	case "free":
		return lease.Free, true
	case "backup":
		return lease.Backup, true
	case "expired":
		return lease.Expired, true
	case "released":
		return lease.Released, true
	case "abandoned":
		return lease.Abandoned, true
	case "reset":
		return lease.Reset, true
	}
	return 0, false
}

// quickHardware reads "ethernet 02:00:00:00:00:01".
func quickHardware(b []byte) (lease.HWAddr, bool) {
	b, ok := bytes.CutPrefix(b, []byte("ethernet "))
	if !ok || len(b)%3 != 2 || len(b) > 3*maxISCHardware {
		return "", false
	}
	var room [1 + maxISCHardware]byte
	hw := append(room[:0], 1)
	for ; ; b = b[3:] {
		hi, lo := hexValue(b[0]), hexValue(b[1])
		if hi < 0 || lo < 0 || len(b) > 2 && b[2] != ':' {
			return "", false
		}
		hw = append(hw, byte(hi<<4|lo))
		if len(b) == 2 {
			return lease.HWAddr(hw), true
		}
	}
}

// quickText reads a string that is all of b.
func quickText(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' || stringEnd(b[1:]) != len(b)-2 {
		return "", false
	}
	text := b[1 : len(b)-1]
	for _, c := range text {
		if c < ' ' || c > '~' {
			return "", false
		}
	}
	return unquote(text), true
}

// quickExact corrects l by what stands behind the mark, as far as that is of the pairs that most stanzas have.
func quickExact(l *lease.Lease, said []byte) bool {
	for len(said) > 0 {
		if said[0] != ' ' {
			return false
		}
		pair := said[1:]
		said = nil
		if i := bytes.IndexByte(pair, ' '); i >= 0 {
			pair, said = pair[:i], pair[i:]
		}
		name, value, ok := bytes.Cut(pair, []byte{'='})
		if !ok || len(value) == 0 || len(value) > 10 {
			return false
		}
		n := int64(0)
		for _, c := range value {
			if c < '0' || c > '9' {
				return false
			}
			n = n*10 + int64(c-'0')
		}
		if n > 1<<32-1 {
			return false
		}
		switch string(name) {
		case "tstp":
			l.SentPotentialExpiry = lease.FromUnix(n)
		case "acked":
			l.AckedPotentialExpiry = lease.FromUnix(n)
		case "received":
			l.ReceivedPotentialExpiry = lease.FromUnix(n)
		case "unacked":
			l.Unacked = n != 0
		case "ends":
			l.Expiry = lease.FromUnix(n)
		default:
			return false
		}
	}
	return true
}

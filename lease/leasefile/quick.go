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

// quick reads the lease stanza that b begins with into d, and returns how long it is. It reports false if that is not
// exactly as those write it, which says nothing of its worth, nor is anything in d then; and if it does not end in b.
func quick(b []byte, d *declared) (n int, ok bool) {
	line, rest, ok := cutLine(b)
	line, named := after(line, "lease ")
	line, opened := bytes.CutSuffix(line, opening)
	if !ok || !named || !opened {
		return 0, false
	}
	var x leaseDecl
	if x.addr, ok = quickAddr(line); !ok {
		return 0, false
	}
	var exact []byte
	ours := false
	for {
		if len(rest) > 0 && rest[0] == '}' {
			*d = declared{what: aLease, ours: ours, lease: x.lease(time.Time{})}
			return len(b) - len(rest) + 1, x.status != 0 && quickExact(&d.lease, exact)
		}
		if line, rest, ok = cutLine(rest); !ok || ours {
			return 0, false // the mark is the last
		}
		if said, is := after(line, "  "+ownMark); is {
			exact, ours = said, true
			continue
		}
		if !quickStatement(&x, line) {
			return 0, false
		}
	}
}

var opening = []byte(" {")

// after is bytes.CutPrefix for a constant, which the compiler compares by a few words.
func after(b []byte, prefix string) (rest []byte, ok bool) {
	if len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix {
		return b[len(prefix):], true
	}
	return b, false
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
	line = line[2 : len(line)-1]
	switch line[0] {
	case 's':
		if rest, is := after(line, "starts "); is {
			d.starts, ok = quickDate(rest)
		} else if rest, is := after(line, "set vendor-class-identifier = "); is {
			d.vendorClass, ok = quickText(rest)
		}
	case 'e':
		if rest, is := after(line, "ends "); is {
			d.ends, ok = quickDate(rest)
		}
	case 't':
		if rest, is := after(line, "tstp "); is {
			d.tstp, ok = quickDate(rest)
			d.hasTSTP = true
		} else if rest, is := after(line, "tsfp "); is {
			d.tsfp, ok = quickDate(rest)
		}
	case 'a':
		if rest, is := after(line, "atsfp "); is {
			d.atsfp, ok = quickDate(rest)
		}
	case 'c':
		if rest, is := after(line, "cltt "); is {
			d.cltt, ok = quickDate(rest)
		} else if rest, is := after(line, "client-hostname "); is {
			d.hostName, ok = quickText(rest)
		}
	case 'b':
		if rest, is := after(line, "binding state "); is {
			d.status, ok = quickState(rest)
		}
	case 'n':
		if rest, is := after(line, "next binding state "); is {
			_, ok = quickState(rest)
		}
	case 'r':
		if rest, is := after(line, "rewind binding state "); is {
			d.rewind, ok = quickState(rest)
		} else if ok = string(line) == "reserved"; ok {
			d.flags |= lease.Reserved
		}
	case 'd':
		if ok = string(line) == "dynamic-bootp"; ok {
			d.flags |= lease.BOOTP
		}
	case 'h':
		if rest, is := after(line, "hardware ethernet "); is {
			d.hardware, ok = quickHardware(rest)
		}
	case 'u':
		if rest, is := after(line, "uid "); is {
			d.uid, ok = quickText(rest)
		}
	case 'o':
		if rest, is := after(line, "option agent."); is {
			ok = quickOption(d, rest)
		}
	}
	return ok
}

// quickOption reads "circuit-id VALUE", the value as octets or as a string.
func quickOption(d *leaseDecl, b []byte) bool {
	name, value, _ := bytes.Cut(b, []byte{' '})
	code := slices.Index(agentNames[:], string(name))
	if code <= 0 {
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
	bad := 0 // below 0 if an octet is no digit where there is one in form
	two := func(at int) int {
		tens, ones := int(b[at])-'0', int(b[at+1])-'0'
		bad |= tens | (9 - tens) | ones | (9 - ones)
		return tens*10 + ones
	}
	year, month, day := two(2)*100+two(4), two(7), two(10)
	hour, minute, second := two(13), two(16), two(19)
	weekday := int(b[0]) - '0'
	bad |= weekday | (9 - weekday)
	if bad < 0 || b[1] != ' ' || b[6] != '/' || b[9] != '/' || b[12] != ' ' || b[15] != ':' || b[18] != ':' {
		return time.Time{}, false
	}
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

// quickState reads "active".
func quickState(name []byte) (lease.Status, bool) {
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

// quickHardware reads "02:00:00:00:00:01", the address of an Ethernet.
func quickHardware(b []byte) (lease.HWAddr, bool) {
	if len(b)%3 != 2 || len(b) > 3*maxISCHardware {
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

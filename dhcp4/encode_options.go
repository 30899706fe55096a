package dhcp4

import "math/bits"

// overloadLen is how many octets option 52 takes.
const overloadLen = 3

// area is a field that takes options: field[at:end] is free, end excluding the octet of its end option.
type area struct {
	field   []byte
	at, end int
}

// put writes one part of an option, code and length before it.
func (a *area) put(code OptionCode, part []byte) {
	to := a.field[a.at : a.at+2+len(part)]
	to[0], to[1] = byte(code), byte(len(part))
	copy(to[2:], part)
	a.at += len(to)
}

// close writes the end option.
func (a *area) close() {
	a.field[a.at] = byte(OptionEnd)
	a.at++
}

// place writes an option into the areas and reports whether it fits. Into the first that has room for all of it; only if
// none has, or it is longer than a part can be, it is split over what room is left. The areas stand in the order in which
// a reader joins parts (RFC 3396 5).
func place(areas []area, code OptionCode, value []byte) bool {
	if len(value) <= maxPart {
		for i := range areas {
			if a := &areas[i]; a.end-a.at >= 2+len(value) {
				a.put(code, value)
				return true
			}
		}
	}
	for i := range areas {
		for a := &areas[i]; a.end-a.at > 2; {
			n := min(len(value), maxPart, a.end-a.at-2)
			a.put(code, value[:n])
			if value = value[n:]; len(value) == 0 {
				return true
			}
		}
	}
	return false
}

// putOptions writes the options into a message msg behind its header, as long as it may be, and returns where it
// ends. With overload it also uses file and sname where these are free; without, all options are known to fit.
func (m *Message) putOptions(msg []byte, overload bool) (end int, err error) {
	if !overload {
		if m.options.count <= usual {
			var order [usual]uint8
			return m.putAll(msg, m.arrangeFew(&order)), nil
		}
		var order [256]uint8
		return m.putAll(msg, m.arrange(order[:])), nil
	}
	kind, typed := m.Option(OptionDHCPMessageType)
	relay, relayed := m.Option(OptionRelayAgentInformation)
	all := [3]area{
		{field: msg, at: atOptions, end: len(msg) - 1},
		{field: msg[atFile:atCookie]},
		{field: msg[atSName:atFile]},
	}
	areas, options := all[:1], &all[0]
	// Kept free in the options: option 52, which stands behind 53, and 82, the last.
	kept := encodedLen(len(relay))
	if !relayed {
		kept = 0
	}
	kept += overloadLen
	if options.end -= kept; options.end < options.at {
		return 0, tooLong(OptionRelayAgentInformation)
	}
	if typed && !place(areas, OptionDHCPMessageType, kind) {
		return 0, tooLong(OptionDHCPMessageType)
	}
	flag := options.at
	areas = all[:]
	options.at += overloadLen
	options.end += overloadLen
	if len(m.BootFileName) == 0 {
		all[1].end = atCookie - atFile - 1
	}
	if len(m.ServerHostName) == 0 {
		all[2].end = atFile - atSName - 1
	}
	var order [256]uint8
	for _, i := range m.arrange(order[:]) {
		code := m.options.codes[i]
		if code == OptionDHCPMessageType || code == OptionRelayAgentInformation {
			continue // they have their places
		}
		if !place(areas, code, m.value(m.options.at(int(i)))) {
			return 0, tooLong(code)
		}
	}
	if relayed {
		options.end = len(msg) - 1
		place(all[:1], OptionRelayAgentInformation, relay)
	}
	options.close()
	used := byte(0)
	if all[1].at > 0 {
		used |= overloadFile
		all[1].close()
	}
	if all[2].at > 0 {
		used |= overloadSName
		all[2].close()
	}
	msg[flag], msg[flag+1], msg[flag+2] = byte(OptionOptionOverload), 1, used
	return options.at, nil
}

// putAll writes the options in this order into a message that has room for all of them, split where they are too long for
// one part (RFC 3396), and returns where they end.
func (m *Message) putAll(msg []byte, order []uint8) int {
	at := atOptions
	for _, i := range order {
		o := m.options.at(int(i))
		n := header + int(o.n)
		from := m.datagram
		if o.own {
			from = m.options.own
		}
		switch from = from[o.at-header:]; {
		case n <= short && short <= len(from) && at+short <= len(msg):
			// And what is behind it: cheaper than to copy as many as it has.
			*(*[short]byte)(msg[at:]) = [short]byte(from)
			at += n
		case n <= header+maxPart:
			copy(msg[at:at+n], from)
			at += n
		default:
			at = putLong(msg, at, m.options.codes[i], from[header:n])
		}
	}
	msg[at] = byte(OptionEnd)
	return at + 1
}

// short is how many octets a short option has at most, with code and length.
const short = 16

// putLong writes an option of more than maxPart octets at an octet of the message, split (RFC 3396), and returns where it
// ends.
func putLong(msg []byte, at int, code OptionCode, v []byte) int {
	for len(v) > 0 {
		n := min(len(v), maxPart)
		to := msg[at : at+header+n]
		to[0], to[1] = byte(code), byte(n)
		copy(to[header:], v)
		at += len(to)
		v = v[n:]
	}
	return at
}

func tooLong(code OptionCode) error { return &OptionError{Code: code, Octet: -1, Err: ErrTooLong} }

// usual is how many options arrangeFew takes at most: as many as there are bits.
const usual = 64

// arrangeFew is arrange for a usual number of options.
func (m *Message) arrangeFew(order *[usual]uint8) []uint8 {
	l := &m.options
	left := ^(^uint64(0) << l.count) // a bit a position
	n := 0
	if i := l.find(OptionDHCPMessageType); i >= 0 {
		left &^= 1 << (i % usual)
		order[0], n = uint8(i), 1
	}
	last := l.find(OptionRelayAgentInformation)
	if last >= 0 {
		left &^= 1 << (last % usual)
	}
	for _, code := range l.own[m.order.at : m.order.at+m.order.n] {
		i := l.slot[code]
		if byte(l.codes[i]) == code && left>>i&1 != 0 {
			left &^= 1 << (i % usual)
			order[n%usual] = i
			n++
		}
	}
	for ; left != 0; left &= left - 1 {
		order[n%usual] = uint8(bits.TrailingZeros64(left))
		n++
	}
	if last >= 0 {
		order[n%usual] = uint8(last)
		n++
	}
	return order[:n]
}

// arrange returns the positions of the options in the order in which they are written, in buf, which has room for all.
func (m *Message) arrange(buf []uint8) []uint8 {
	l := &m.options
	order := buf[:0]
	var done [256]bool
	take := func(code OptionCode) {
		if i := l.find(code); i >= 0 && !done[i] {
			done[i] = true
			order = append(order, uint8(i))
		}
	}
	take(OptionDHCPMessageType)
	last := l.find(OptionRelayAgentInformation)
	if last >= 0 {
		done[last] = true
	}
	for _, code := range l.own[m.order.at : m.order.at+m.order.n] {
		take(OptionCode(code))
	}
	for _, code := range l.codes[:l.count] {
		take(code)
	}
	if last >= 0 {
		order = append(order, uint8(last))
	}
	return order
}

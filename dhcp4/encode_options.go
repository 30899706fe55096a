package dhcp4

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

// putOptions writes the options into a message msg of zeros behind its header, as long as it may be, and returns where it
// ends. With overload it also uses file and sname where these are free; without, all options are known to fit.
func (m *Message) putOptions(msg []byte, overload bool) (end int, err error) {
	if !overload {
		return m.putAll(msg), nil
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
	var s sequence
	s.take(OptionDHCPMessageType)
	s.take(OptionRelayAgentInformation)
	for o := m.next(&s); o != nil; o = m.next(&s) {
		if !place(areas, o.code, m.value(o)) {
			return 0, tooLong(o.code)
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

// putAll writes the options into a message that has room for all of them, and returns where they end.
func (m *Message) putAll(msg []byte) int {
	l := &m.options
	at := atOptions
	if i := l.slot[OptionDHCPMessageType]; i != 0 {
		at = m.putOption(msg, at, l.at(int(i)-1))
	}
	var s sequence
	s.take(OptionDHCPMessageType)
	s.take(OptionRelayAgentInformation)
	for _, code := range l.own[m.order.at : m.order.at+m.order.n] {
		if i := l.slot[code]; i != 0 && s.take(OptionCode(code)) {
			at = m.putOption(msg, at, l.at(int(i)-1))
		}
	}
	for i := range l.count {
		if o := l.at(i); s.take(o.code) {
			at = m.putOption(msg, at, o)
		}
	}
	if i := l.slot[OptionRelayAgentInformation]; i != 0 {
		at = m.putOption(msg, at, l.at(int(i)-1))
	}
	msg[at] = byte(OptionEnd)
	return at + 1
}

// putOption writes an option at an octet of the message, split where it is too long for one part (RFC 3396), and returns
// where it ends.
func (m *Message) putOption(msg []byte, at int, o *option) int {
	v := m.value(o)
	for {
		n := min(len(v), maxPart)
		to := msg[at : at+2+n]
		to[0], to[1] = byte(o.code), byte(n)
		copy(to[2:], v[:n])
		at += len(to)
		if v = v[n:]; len(v) == 0 {
			return at
		}
	}
}

func tooLong(code OptionCode) error { return &OptionError{Code: code, Octet: -1, Err: ErrTooLong} }

// sequence goes through the options in the order in which they are written.
type sequence struct {
	asked, listed int // how far it is in Message.order and in the options
	done          [256 / 64]uint64
}

// take reports whether code comes for the first time.
func (s *sequence) take(code OptionCode) bool {
	word, bit := &s.done[code/64], uint64(1)<<(code%64)
	first := *word&bit == 0
	*word |= bit
	return first
}

// next returns the option that comes next, nil behind the last.
func (m *Message) next(s *sequence) *option {
	l := &m.options
	order := l.own[m.order.at : m.order.at+m.order.n]
	for s.asked < len(order) {
		code := OptionCode(order[s.asked])
		s.asked++
		if i := l.slot[code]; i != 0 && s.take(code) {
			return l.at(int(i) - 1)
		}
	}
	for s.listed < l.count {
		o := l.at(s.listed)
		s.listed++
		if s.take(o.code) {
			return o
		}
	}
	return nil
}

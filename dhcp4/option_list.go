package dhcp4

import (
	"iter"
	"slices"
)

// span is a stretch of octets.
type span struct{ at, n uint32 }

// inlineOptions is how many different options a Message holds without memory of its own. Clients send 5 to 12.
const inlineOptions = 24

// option is one option of a message: where its value lies.
type option struct {
	span
	own bool // in optionList.own, else in the datagram
}

// optionList holds each option once, in the order of first appearance: the code of the one at position i is codes[i]. It
// has no pointers into itself, so that a Message can live on the stack.
type optionList struct {
	slot  [256]uint8      // by code: its position, if the one there has that code, so that reset need not clear it
	codes [256]OptionCode // by position
	count int             // at most 253: 0, 52 and 255 are none
	few   [inlineOptions]option
	many  []option // beyond few
	parts []part   // while decoding: second and further parts of options
	own   []byte   // octets of values that were set or joined, each behind its header, and of the order
}

// part is a second or further part of an option in the datagram.
type part struct {
	span
	code OptionCode
}

// header is how many octets stand before a value, in a datagram and in optionList.own: code and length.
const header = 2

func (l *optionList) at(i int) *option {
	if i < len(l.few) {
		return &l.few[i]
	}
	return &l.many[i-len(l.few)]
}

// find returns the position of the option with this code, -1 if there is none.
func (l *optionList) find(code OptionCode) int {
	if i := l.slot[code]; int(i) < l.count && l.codes[i] == code {
		return int(i)
	}
	return -1
}

// add appends an option that is not in l yet.
func (l *optionList) add(code OptionCode, o option) {
	if l.count < len(l.few) {
		l.few[l.count] = o
	} else {
		l.many = append(l.many, o)
	}
	i := uint8(l.count)
	l.codes[i], l.slot[code] = code, i
	l.count++
}

func (l *optionList) reset() {
	l.count = 0
	l.many = l.many[:0]
	l.parts = l.parts[:0]
	l.own = l.own[:0]
}

// keep copies b behind the octets that l owns.
func (l *optionList) keep(b []byte) span {
	at := len(l.own)
	l.own = append(l.own, b...)
	return span{uint32(at), uint32(len(b))}
}

// value returns the octets of o, with no room behind them for an append to write over.
func (m *Message) value(o *option) []byte {
	b := m.datagram
	if o.own {
		b = m.options.own
	}
	end := o.at + o.n
	return b[o.at:end:end]
}

// Option returns the value of an option, joined (RFC 3396) from wherever its parts stood in the options, file and sname
// fields. A value without octets is present, too. The value is a view: it ends with the datagram, or when the option is
// set again. It must not be written to.
//
// Options 0, 52 and 255 are part of the encoding and never present.
func (m *Message) Option(code OptionCode) (value []byte, ok bool) {
	i := m.options.find(code)
	if i < 0 {
		return nil, false
	}
	return m.value(m.options.at(i)), true
}

// SetOption sets an option to a copy of value, in the place of the one that was there or behind the others.
// AppendBinary returns an error after code was 0, 52 or 255, which it writes itself.
func (m *Message) SetOption(code OptionCode, value []byte) { set(m, code, value) }

// set is SetOption for octets of both kinds.
func set[T []byte | string](m *Message, code OptionCode, value T) {
	if len(value) == 4 {
		set4(m, code, [4]byte{value[0], value[1], value[2], value[3]})
		return
	}
	l := &m.options
	begin := len(l.own)
	end := begin + header + len(value)
	if end > cap(l.own) {
		l.own = slices.Grow(l.own, header+len(value))
	}
	l.own = l.own[:end]
	to := l.own[begin:end]
	to[0], to[1] = byte(code), byte(len(value))
	if to = to[header:]; len(value) == 1 { // needs no memmove
		to[0] = value[0]
	} else {
		copy(to, value)
	}
	s := span{uint32(begin + header), uint32(len(value))}
	if l.find(code) < 0 && !reserved(code) {
		l.add(code, option{span: s, own: true})
		return
	}
	m.place(code, s)
}

// set4 is set for most values: an address, a time.
func set4(m *Message, code OptionCode, value [4]byte) {
	l := &m.options
	at := len(l.own) + header
	if at+4 > cap(l.own) {
		l.own = slices.Grow(l.own, header+4)
	}
	l.own = l.own[:at+4]
	to := (*[header + 4]byte)(l.own[at-header:])
	to[0], to[1], to[2], to[3], to[4], to[5] = byte(code), 4, value[0], value[1], value[2], value[3]
	s := span{uint32(at), 4}
	if l.find(code) < 0 && !reserved(code) {
		l.add(code, option{span: s, own: true})
		return
	}
	m.place(code, s)
}

// reserved reports whether the encoding itself uses code.
func reserved(code OptionCode) bool {
	return code == OptionPad || code == OptionOptionOverload || code == OptionEnd
}

// place makes s, the last octets that the options own, the value of an option.
func (m *Message) place(code OptionCode, s span) {
	l := &m.options
	if reserved(code) {
		m.blame(&OptionError{Code: code, Octet: -1, Err: errNotSettable})
		return
	}
	i := l.find(code)
	if i < 0 {
		l.add(code, option{span: s, own: true})
		return
	}
	o := l.at(i)
	if o.own && s.n <= o.n { // in its old place, so that setting it again and again takes no more
		copy(l.own[o.at-header:], l.own[s.at-header:])
		l.own = l.own[:s.at-header]
		s.at = o.at
	}
	o.own, o.span = true, s
}

// DelOption removes an option, if it is there.
func (m *Message) DelOption(code OptionCode) {
	l := &m.options
	i := l.find(code)
	if i < 0 {
		return
	}
	for i++; i < l.count; i++ {
		*l.at(i - 1) = *l.at(i)
		l.codes[i-1] = l.codes[i]
		l.slot[l.codes[i]] = uint8(i - 1)
	}
	l.count--
	l.many = l.many[:max(0, l.count-len(l.few))]
}

// Options gives each option once, in the order of their first appearance in the message, or in which they were set.
// Values are views as Option gives them. The options must not be changed meanwhile.
func (m *Message) Options() iter.Seq2[OptionCode, []byte] {
	return func(yield func(OptionCode, []byte) bool) {
		for i := range m.options.count {
			if !yield(m.options.codes[i], m.value(m.options.at(i))) {
				return
			}
		}
	}
}

// blame remembers the first wrong value that was set.
func (m *Message) blame(err error) {
	if m.fault == nil {
		m.fault = err
	}
}

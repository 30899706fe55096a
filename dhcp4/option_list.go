package dhcp4

import "iter"

// span is a stretch of octets.
type span struct{ at, n uint32 }

// inlineOptions is how many different options a Message holds without memory of its own. Clients send 5 to 12.
const inlineOptions = 24

// option is one option of a message: where its value lies.
type option struct {
	code OptionCode
	own  bool // in optionList.own, else in the datagram
	span
}

// optionList holds each option once, in the order of first appearance. It has no pointers into itself, so that a
// Message can live on the stack.
type optionList struct {
	slot  [256]uint8 // by code: 1 + position, 0 if absent. There are 253 options (0, 52, 255 are none), so it fits
	count int
	few   [inlineOptions]option
	many  []option // beyond few
	parts []option // while decoding: second and further parts of options
	own   []byte   // octets of values that were set or joined, and of the order
}

func (l *optionList) at(i int) *option {
	if i < len(l.few) {
		return &l.few[i]
	}
	return &l.many[i-len(l.few)]
}

// add appends an option that is not in l yet.
func (l *optionList) add(o option) {
	if l.count < len(l.few) {
		l.few[l.count] = o
	} else {
		l.many = append(l.many, o)
	}
	l.count++
	l.slot[o.code] = uint8(l.count)
}

func (l *optionList) reset() {
	clear(l.slot[:])
	l.count, l.many, l.parts, l.own = 0, l.many[:0], l.parts[:0], l.own[:0]
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
	i := m.options.slot[code]
	if i == 0 {
		return nil, false
	}
	return m.value(m.options.at(int(i) - 1)), true
}

// SetOption sets an option to a copy of value, in the place of the one that was there or behind the others.
// AppendBinary returns an error after code was 0, 52 or 255, which it writes itself.
func (m *Message) SetOption(code OptionCode, value []byte) {
	m.set(code, m.options.keep(value))
}

// set makes s, the last octets that the options own, the value of an option.
func (m *Message) set(code OptionCode, s span) {
	l := &m.options
	if code == OptionPad || code == OptionOptionOverload || code == OptionEnd {
		m.blame(&OptionError{Code: code, Octet: -1, Err: errNotSettable})
		return
	}
	i := l.slot[code]
	if i == 0 {
		l.add(option{code: code, own: true, span: s})
		return
	}
	o := l.at(int(i) - 1)
	if o.own && s.n <= o.n { // in its old place, so that setting it again and again takes no more
		copy(l.own[o.at:], l.own[s.at:])
		l.own = l.own[:s.at]
		s.at = o.at
	}
	o.own, o.span = true, s
}

// DelOption removes an option, if it is there.
func (m *Message) DelOption(code OptionCode) {
	l := &m.options
	i := int(l.slot[code])
	if i == 0 {
		return
	}
	for ; i < l.count; i++ {
		o := *l.at(i)
		*l.at(i - 1) = o
		l.slot[o.code] = uint8(i)
	}
	l.count--
	l.slot[code] = 0
	l.many = l.many[:max(0, l.count-len(l.few))]
}

// Options gives each option once, in the order of their first appearance in the message, or in which they were set.
// Values are views as Option gives them. The options must not be changed meanwhile.
func (m *Message) Options() iter.Seq2[OptionCode, []byte] {
	return func(yield func(OptionCode, []byte) bool) {
		for i := range m.options.count {
			o := m.options.at(i)
			if !yield(o.code, m.value(o)) {
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

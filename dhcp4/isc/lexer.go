package isc

import (
	"strconv"
	"strings"
)

// maxToken is the longest word or string, in octets: dhcpd's own limit.
const maxToken = 1500

// tokenKind tells the tokens of dhcpd.conf(5) apart.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota // the end: of a file, or of the words of a statement
	tokenWord                    // letters, digits, '-' and '_': a keyword, a name, a number, hexadecimal digits
	tokenString                  // what stood in quotes, its escapes replaced
	tokenPunct                   // any other octet
)

// token is one token with its place.
type token struct {
	kind tokenKind
	text string
	pos  Pos
	wide int // octets it takes in the file, on one line
}

// is reports whether t is this keyword, in any case.
func (t token) is(word string) bool { return t.kind == tokenWord && strings.EqualFold(t.text, word) }

// punct reports whether t is this octet.
func (t token) punct(c byte) bool { return t.kind == tokenPunct && t.text[0] == c }

// number reports whether t is a word of decimal digits, with a '-' before them perhaps.
func (t token) number() bool {
	digits := strings.TrimPrefix(t.text, "-")
	return t.kind == tokenWord && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// numeral reports whether t can be read as a number in some base: "0x1f" and "ab" can.
func (t token) numeral() bool {
	if t.number() {
		return true
	}
	digits := t.text
	if len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X") {
		digits = digits[2:]
	}
	return t.kind == tokenWord && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}

// identifier reports whether t can be a name: a word that is not a number.
func (t token) identifier() bool { return t.kind == tokenWord && !t.number() }

// follows reports whether t stands right behind u, nothing between them.
func (t token) follows(u token) bool {
	return t.pos.File == u.pos.File && t.pos.Line == u.pos.Line && t.pos.Col == u.pos.Col+u.wide
}

// String returns t for an error message.
func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenString:
		return strconv.Quote(t.text)
	}
	return `"` + t.text + `"`
}

// lexer cuts one file into tokens.
type lexer struct {
	src  string
	at   int // offset of the next octet
	pos  Pos // of that octet
	prob *problems
}

func newLexer(file, src string, prob *problems) *lexer {
	return &lexer{src: src, pos: Pos{File: file, Line: 1, Col: 1}, prob: prob}
}

// step moves past n octets of one line.
func (l *lexer) step(n int) {
	l.at += n
	l.pos.Col += n
}

// newline moves past a '\n'.
func (l *lexer) newline() {
	l.at++
	l.pos.Line++
	l.pos.Col = 1
}

// next returns the next token; at the end of the file it returns tokenEnd again and again.
func (l *lexer) next() token {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == '\n':
			l.newline()
		case c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f':
			l.step(1)
		case c == '#':
			rest := strings.IndexByte(l.src[l.at:], '\n')
			if rest < 0 {
				rest = len(l.src) - l.at
			}
			l.step(rest)
		case c == '"':
			return l.quoted()
		case isWord(c) && c != '_':
			return l.word()
		default:
			t := token{tokenPunct, l.src[l.at : l.at+1], l.pos, 1}
			l.step(1)
			return t
		}
	}
	return token{kind: tokenEnd, pos: l.pos}
}

// isWord reports whether c may stand in a word. (A word does not begin with '_'.)
func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_'
}

// word reads a word; a '-' alone is punctuation, as in an expression.
func (l *lexer) word() token {
	n := 1
	for l.at+n < len(l.src) && isWord(l.src[l.at+n]) {
		n++
	}
	t := token{tokenWord, l.src[l.at : l.at+n], l.pos, n}
	if t.text == "-" {
		t.kind = tokenPunct
	}
	if n > maxToken {
		l.prob.errorf(l.pos, "token larger than internal buffer")
		t.text = t.text[:maxToken]
	}
	l.step(n)
	return t
}

// quoted reads a string. It may go over several lines; its escapes are \t \r \n \b, \ooo with three octal digits, \0, \xhh,
// and any other character for itself.
func (l *lexer) quoted() token {
	start := l.pos
	l.step(1)
	var b strings.Builder
	for {
		if l.at == len(l.src) {
			l.prob.errorf(start, "eof in string constant")
			break
		}
		c := l.src[l.at]
		if c == '"' {
			l.step(1)
			break
		}
		switch c {
		case '\n':
			l.newline()
		case '\\':
			l.step(1)
			var ok bool
			if c, ok = l.escape(); !ok {
				continue
			}
		default:
			l.step(1)
		}
		if b.Len() == maxToken {
			l.prob.errorf(start, "string constant larger than internal buffer")
		}
		if b.Len() <= maxToken {
			b.WriteByte(c)
		}
	}
	t := token{kind: tokenString, text: b.String(), pos: start}
	if l.pos.Line == start.Line {
		t.wide = l.pos.Col - start.Col
	}
	return t
}

// escape reads what follows a backslash.
func (l *lexer) escape() (c byte, ok bool) {
	if l.at == len(l.src) {
		return 0, false // the caller finds the end
	}
	at := l.pos
	c = l.src[l.at]
	digits, base := 0, 8
	switch c {
	case '\n':
		l.newline()
		return c, true
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'n':
		c = '\n'
	case 'b':
		c = '\b'
	case 'x':
		l.step(1)
		digits, base = 2, 16
	case '0', '1', '2', '3':
		digits = 3
	}
	if digits == 0 {
		l.step(1)
		return c, true
	}
	if end := l.at + digits; end <= len(l.src) {
		if v, err := strconv.ParseUint(l.src[l.at:end], base, 8); err == nil {
			l.step(digits)
			return byte(v), true
		}
	}
	if c == '0' { // "\0foo", as dhcp-options(5) has it
		l.step(1)
		return 0, true
	}
	if base == 16 {
		l.prob.errorf(at, "invalid hex digit: \\x wants two")
	} else {
		l.prob.errorf(at, "invalid octal digit: \\%c wants three digits", c)
	}
	return 0, false
}

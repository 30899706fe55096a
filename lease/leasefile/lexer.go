package leasefile

import (
	"bytes"
	"fmt"
)

// Kinds of tokens. A punctuation mark (one of ; { } = ,) is a kind of its own.
const (
	kindEnd    = 0
	kindWord   = 'w'
	kindString = '"'
)

type token struct {
	kind byte
	text []byte // of a word; of a string what stands between the quotes, escapes and all
}

func (t token) String() string {
	switch t.kind {
	case kindEnd:
		return "the end"
	case kindWord, kindString:
		return fmt.Sprintf("%.40q", t.text)
	}
	return fmt.Sprintf("%q", t.kind)
}

// lexer cuts one stanza into tokens, by the rules of ISC's conflex.c as far as a lease file needs them: words end at
// white space or punctuation, strings stand between double quotes, and a comment goes from # to the end of the line.
type lexer struct {
	text  []byte
	at    int
	ours  bool   // there was Tandem's mark: see exact.go
	exact []byte // what stood behind it
}

// next returns the next token; kindEnd at the end of the text.
func (x *lexer) next() (token, error) {
	for x.at < len(x.text) {
		switch c := x.text[x.at]; c {
		case ' ', '\t', '\n', '\r', '\v', '\f':
			x.at++
		case '#':
			line := x.text[x.at:]
			if n := bytes.IndexByte(line, '\n'); n >= 0 {
				line = line[:n]
			}
			x.at += len(line)
			if said, ok := bytes.CutPrefix(line, []byte(ownMark)); ok && (len(said) == 0 || said[0] == ' ') {
				x.ours, x.exact = true, said
			}
		case ';', '{', '}', '=', ',':
			x.at++
			return token{kind: c}, nil
		case '"':
			n := stringEnd(x.text[x.at+1:])
			if n < 0 {
				return token{}, errString
			}
			text := x.text[x.at+1 : x.at+1+n]
			x.at += n + 2
			return token{kindString, text}, nil
		default:
			from := x.at
			for x.at < len(x.text) && !endsWord[x.text[x.at]] {
				x.at++
			}
			return token{kindWord, x.text[from:x.at]}, nil
		}
	}
	return token{}, nil
}

// endsWord has the octets at which a word ends.
var endsWord = [256]bool{
	' ': true, '\t': true, '\n': true, '\r': true, '\v': true, '\f': true,
	'#': true, ';': true, '{': true, '}': true, '=': true, ',': true, '"': true,
}

// expect reads one token and returns an error unless it is of this kind.
func (x *lexer) expect(kind byte) (token, error) {
	t, err := x.next()
	if err == nil && t.kind != kind {
		switch kind {
		case kindWord:
			err = fmt.Errorf("a word should stand where %v stands", t)
		case kindString:
			err = fmt.Errorf("a string should stand where %v stands", t)
		default:
			err = fmt.Errorf("%q should stand where %v stands", kind, t)
		}
	}
	return t, err
}

// skip passes over the rest of a statement: to its semicolon, or to the brace that closes its block. It reports
// whether there was a block.
func (x *lexer) skip() (block bool, err error) {
	for depth := 0; ; {
		t, err := x.next()
		switch {
		case err != nil:
			return block, err
		case t.kind == kindEnd:
			return block, errEnd
		case t.kind == '{':
			depth, block = depth+1, true
		case t.kind == '}' && depth == 0:
			return block, errSemicolon
		case t.kind == '}':
			if depth--; depth == 0 {
				return block, nil
			}
		case t.kind == ';' && depth == 0:
			return block, nil
		}
	}
}

// stringEnd returns where the quote is that ends the string which b begins inside of, or -1 if the line ends first.
func stringEnd(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i
		case '\n':
			return -1
		case '\\':
			i++
		}
	}
	return -1
}

// unquote resolves the escapes of a string as ISC's read_string does.
func unquote(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		switch c := b[i]; c {
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'n':
			out = append(out, '\n')
		case 'b':
			out = append(out, '\b')
		case '0', '1', '2', '3':
			v, n := c-'0', 1
			for ; n < 3 && i+1 < len(b) && '0' <= b[i+1] && b[i+1] <= '7'; n++ {
				i++
				v = v<<3 | (b[i] - '0')
			}
			out = append(out, v)
		case 'x':
			v := byte(0)
			for n := 0; n < 2 && i+1 < len(b) && hexValue(b[i+1]) >= 0; n++ {
				i++
				v = v<<4 | byte(hexValue(b[i]))
			}
			out = append(out, v)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// appendQuoted appends s as ISC's quotify_buf writes it: what is not printable ASCII as \ooo, " and \ after a \.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x20 || c > 0x7e:
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// plain reports whether s is printable and needs no escape, as ISC's db_printable wants a host name.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// parseOctets reads "a:0b:ff": octets of one or two hexadecimal digits between colons, as ISC writes them.
func parseOctets(b []byte) (string, error) {
	out := make([]byte, 0, (len(b)+1)/2)
	for i := 0; ; i++ {
		if i >= len(b) || hexValue(b[i]) < 0 {
			return "", fmt.Errorf("%.40q is not octets in hexadecimal", b)
		}
		v := hexValue(b[i])
		if i++; i < len(b) && hexValue(b[i]) >= 0 {
			v = v<<4 | hexValue(b[i])
			i++
		}
		out = append(out, byte(v))
		if i == len(b) {
			return string(out), nil
		}
		if b[i] != ':' {
			return "", fmt.Errorf("%.40q is not octets in hexadecimal", b)
		}
	}
}

const hexDigits = "0123456789abcdef"

// appendOctets is the inverse of parseOctets.
func appendOctets(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, hexDigits[s[i]>>4], hexDigits[s[i]&15])
	}
	return b
}

package isc

import (
	"fmt"
	"strings"
	"testing"
)

func TestLexer(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"words and punctuation", "a-b_c 1.2;{x}", "a-b_c@1:1 1@1:7 .@1:8 2@1:9 ;@1:10 {@1:11 x@1:12 }@1:13"},
		{"comments and lines", "a # b\n\n\tc#d", "a@1:1 c@3:2"},
		{"a minus alone", "a - -1", "a@1:1 -@1:3 -1@1:5"},
		{"a word does not begin with _", "_a", "_@1:1 a@1:2"},
		{"a carriage return is a blank", "a\r\nb", "a@1:1 b@2:1"},
		{"an octet of no kind", "\x00é", "\x00@1:1 \xc3@1:2 \xa9@1:3"},
		{"a string", `"a b" c`, `"a b"@1:1 c@1:7`},
		{"a string of two lines", "\"a\nb\" c", `"a\nb"@1:1 c@2:4`},
		{"escapes", `"\t\r\n\b\"\\\q"`, `"\t\r\n\b\"\\q"@1:1`},
		{"octal and hexadecimal escapes", `"\101\x41\377\xfF"`, "\"AA\\xff\\xff\"@1:1"},
		{"a NUL before a letter", `"\0foo\000"`, `"\x00foo\x00"@1:1`},
		{"an octal escape that is too short", `"\12"`, `error 1:3: invalid octal digit: \1 wants three digits "12"@1:1`},
		{"a hexadecimal escape that is too short", `"\x4"`, `error 1:3: invalid hex digit: \x wants two "4"@1:1`},
		{"an escape too large", `"\400"`, `"400"@1:1`},
		{"a string without end", "a \"b\n", "error 1:3: eof in string constant a@1:1 \"b\\n\"@1:3"},
		{"an escape without end", `"\`, `error 1:1: eof in string constant ""@1:1`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var p problems
			l := newLexer("x", tc.in, &p)
			var got []string
			for k := l.next(); k.kind != tokenEnd; k = l.next() {
				text := k.text
				if k.kind == tokenString {
					text = fmt.Sprintf("%q", text)
				}
				got = append(got, fmt.Sprintf("%s@%d:%d", text, k.pos.Line, k.pos.Col))
			}
			for _, e := range p.errs {
				got = append([]string{"error " + strings.TrimPrefix(e.Error(), "x:")}, got...)
			}
			if g := strings.Join(got, " "); g != tc.want {
				t.Errorf(" got %s\nwant %s", g, tc.want)
			}
		})
	}
}

func TestTokenBounds(t *testing.T) {
	long := strings.Repeat("a", maxToken)
	for _, tc := range []struct {
		in   string
		errs int
	}{
		{long, 0},
		{long + "a", 1},
		{`"` + long + `"`, 0},
		{`"` + long + `aaaaaa"`, 1},
	} {
		var p problems
		newLexer("x", tc.in, &p).next()
		if len(p.errs) != tc.errs {
			t.Errorf("%d octets: %v", len(tc.in), p.errs)
		}
	}
}

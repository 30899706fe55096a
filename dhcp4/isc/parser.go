package isc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Bounds of what is read.
const (
	maxOctets   = 64 << 20 // of all files, the same one as often as it is included
	maxFiles    = 1000     // likewise
	maxIncludes = 16       // files open at a time
	maxNesting  = 64       // blocks in blocks
)

// statement is the syntax of one statement: words, then a semicolon or a block.
type statement struct {
	words []token     // at least one
	end   token       // what ended the words: ';', '{', or in an error '}' or the end of the file
	body  []statement // what stands between the braces; of an include, what the file says
}

// keyword returns the first word in lower case, "" if it is no word.
func (s *statement) keyword() string {
	if s.words[0].kind != tokenWord {
		return ""
	}
	return strings.ToLower(s.words[0].text)
}

// source reads files, and parses them into statements.
type source struct {
	fsys  fs.FS // nil: the operating system's
	open  []string
	files int // read
	left  int // octets that may still be read
	prob  *problems
}

// read returns the content of a file. A path for an fs.FS loses the slash at its front.
func (s *source) read(name string) (string, error) {
	var f fs.File
	var err error
	if s.fsys == nil {
		f, err = os.Open(name)
	} else {
		f, err = s.fsys.Open(strings.TrimPrefix(path.Clean(name), "/"))
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(s.left)+1))
	if err != nil {
		return "", err
	}
	if len(b) > s.left {
		return "", fmt.Errorf("all files together have more than %d octets", maxOctets)
	}
	s.left -= len(b)
	return string(b), nil
}

// parseFile returns the statements of a file that is named at pos.
func (s *source) parseFile(name string, pos Pos) []statement {
	switch {
	case slices.Contains(s.open, name):
		s.prob.errorf(pos, "%s: includes itself, by way of %s", name, strings.Join(s.open, ", "))
		return nil
	case len(s.open) == maxIncludes:
		s.prob.errorf(pos, "%s: more than %d files are open, each included by another", name, maxIncludes)
		return nil
	case s.files == maxFiles:
		s.prob.errorf(pos, "%s: more than %d files are included", name, maxFiles)
		return nil
	}
	s.files++
	text, err := s.read(name)
	if err != nil {
		cause := err
		var p *fs.PathError
		if errors.As(err, &p) {
			cause = p.Err
		}
		s.prob.add(&Error{Pos: pos, Msg: fmt.Sprintf("Can't open %s: %v", name, cause), Err: err})
		return nil
	}
	s.open = append(s.open, name)
	defer func() { s.open = s.open[:len(s.open)-1] }()
	p := parser{source: s, lex: newLexer(name, text, s.prob)}
	return p.statements(0)
}

// parser reads the statements of one file.
type parser struct {
	*source
	lex  *lexer
	back []token // a token given back
}

func (p *parser) next() token {
	if n := len(p.back); n > 0 {
		t := p.back[n-1]
		p.back = p.back[:n-1]
		return t
	}
	return p.lex.next()
}

// statements reads up to the '}' that closes the block, or in the outermost to the end of the file.
func (p *parser) statements(depth int) []statement {
	var list []statement
	for !p.prob.full() {
		switch t := p.next(); {
		case t.kind == tokenEnd:
			if depth > 0 {
				p.prob.errorf(t.pos, "unexpected end of file")
			}
			return list
		case t.punct('}') && depth > 0:
			return list
		case t.punct(';'), t.punct('}'), t.punct('{'):
			p.prob.errorf(t.pos, "expecting a parameter or declaration, not %v", t)
		default:
			p.back = append(p.back, t)
			if s, ok := p.statement(depth); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// statement reads one statement.
func (p *parser) statement(depth int) (statement, bool) {
	var s statement
	for {
		t := p.next()
		switch {
		case t.punct('{') && isDefinition(s.words): // option x code 1 = { integer 8, text };
			s.words = p.record(append(s.words, t))
			continue
		case t.punct('{'):
			s.end = t
			if depth == maxNesting {
				p.prob.errorf(t.pos, "more than %d blocks within each other", maxNesting)
				p.lex.at = len(p.lex.src) // no sense is to be made of the rest
				return s, false
			}
			s.body = p.statements(depth + 1)
			if s.keyword() == "key" { // BIND writes a semicolon after the block, dhcpd takes it
				if t := p.next(); !t.punct(';') {
					p.back = append(p.back, t)
				}
			}
			return s, true
		case t.punct(';'):
			s.end = t
			if s.keyword() == "include" {
				p.include(&s)
			}
			return s, true
		case t.kind == tokenEnd, t.punct('}'):
			s.end = t
			p.prob.errorf(t.pos, "semicolon expected.")
			p.back = append(p.back, t)
			return s, false
		}
		s.words = append(s.words, t)
	}
}

// isDefinition reports whether the words begin the definition of an option, in which braces are not a block.
func isDefinition(words []token) bool {
	return words != nil && words[0].is("option") && len(words) > 2 &&
		slices.ContainsFunc(words, func(t token) bool { return t.is("code") }) &&
		slices.ContainsFunc(words, func(t token) bool { return t.punct('=') })
}

// record appends to words what there is up to the '}'.
func (p *parser) record(words []token) []token {
	for {
		t := p.next()
		if t.kind == tokenEnd || t.punct(';') {
			p.back = append(p.back, t)
			return words
		}
		words = append(words, t)
		if t.punct('}') {
			return words
		}
	}
}

// include reads the file that s names into its body.
func (p *parser) include(s *statement) {
	if len(s.words) < 2 || s.words[1].kind != tokenString {
		p.prob.errorf(s.words[0].pos, "filename string expected.")
		return
	}
	if len(s.words) > 2 {
		p.prob.errorf(s.words[2].pos, "semicolon expected.")
		return
	}
	s.body = p.parseFile(s.words[1].text, s.words[1].pos)
}

package isc

import (
	"errors"
	"fmt"
	"strconv"
)

// Pos is a place in a configuration file. The zero Pos is no place.
type Pos struct {
	File string // as it was named by the caller of Load, or by the include statement
	Line int    // from 1
	Col  int    // octets from 1; a tab is one
}

// IsZero reports whether p is no place.
func (p Pos) IsZero() bool { return p.Line == 0 }

// String returns "file:line:column".
func (p Pos) String() string {
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Error is one problem of a configuration, at the word where it shows. Its message is ISC dhcpd's where dhcpd has one
// for the same mistake.
type Error struct {
	Pos
	Msg string
	// Err is the cause, or nil: errors.ErrUnsupported for what dhcpd understands and this package does not, the error
	// of the file system for a file that cannot be read.
	Err error
}

// Error returns "file:line:column: message".
func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// maxProblems is how many errors, and how many warnings, one configuration collects. Reading stops at that many errors.
const maxProblems = 100

// problems collects what is wrong with a configuration.
type problems struct {
	lenient  bool // statements that are not understood go to skipped
	errs     []*Error
	warnings []Error
	skipped  []Error
}

// full reports whether reading on is in vain.
func (p *problems) full() bool { return len(p.errs) >= maxProblems }

func (p *problems) add(e *Error) {
	if !p.full() {
		p.errs = append(p.errs, e)
	}
}

// errorf notes an error at pos.
func (p *problems) errorf(pos Pos, format string, args ...any) {
	p.add(&Error{Pos: pos, Msg: fmt.Sprintf(format, args...)})
}

// warnf notes what is odd at pos, but as good as dhcpd would have it.
func (p *problems) warnf(pos Pos, format string, args ...any) {
	if len(p.warnings) < maxProblems {
		p.warnings = append(p.warnings, Error{Pos: pos, Msg: fmt.Sprintf(format, args...)})
	}
}

// unsupported notes a statement that is not carried out: an error, or a line of Config.Skipped in lenient mode.
func (p *problems) unsupported(pos Pos, format string, args ...any) {
	e := Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Err: errors.ErrUnsupported}
	if !p.lenient {
		p.add(&e)
		return
	}
	if len(p.skipped) < maxProblems {
		p.skipped = append(p.skipped, e)
	}
}

// unknown notes a name that dhcpd does not know either: an error, or a line of Config.Skipped in lenient mode.
func (p *problems) unknown(pos Pos, format string, args ...any) {
	if p.lenient {
		p.unsupported(pos, format, args...)
		return
	}
	p.errorf(pos, format, args...)
}

// err returns all errors joined, or nil.
func (p *problems) err() error {
	if len(p.errs) == 0 {
		return nil
	}
	errs := make([]error, 0, len(p.errs)+1)
	for _, e := range p.errs {
		errs = append(errs, e)
	}
	if p.full() {
		errs = append(errs, fmt.Errorf("isc: more than %d errors: the rest of the configuration was not looked at", maxProblems-1))
	}
	return errors.Join(errs...)
}

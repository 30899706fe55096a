package dhcp4

import (
	"errors"
	"strconv"
)

// ErrTooLong says that a message does not fit its MaximumSize, or a header field what was put in it. Where an option
// is what does not fit, it is wrapped in an *OptionError that names it.
var ErrTooLong = errors.New("does not fit")

var (
	errNotSettable = errors.New("part of the encoding, not to be set")
	errNotIPv4     = errors.New("address is not IPv4")
)

// OptionError says what is wrong with an option.
type OptionError struct {
	Code OptionCode
	// Octet is where in the datagram the option's value begins, or where its length is missing; -1 if it did not come
	// in one piece from a datagram.
	Octet int
	Err   error // why
}

// Error returns "dhcp4: option Requested IP Address (50) at octet 242: ...".
func (e *OptionError) Error() string {
	s := "dhcp4: option " + e.Code.String() + " (" + strconv.Itoa(int(e.Code)) + ")"
	if e.Octet >= 0 {
		s += " at octet " + strconv.Itoa(e.Octet)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *OptionError) Unwrap() error { return e.Err }

// fault returns the error that something is wrong with o, which has this code.
func (o *option) fault(code OptionCode, why error) error {
	if o.own {
		return &OptionError{Code: code, Octet: -1, Err: why}
	}
	return &OptionError{Code: code, Octet: int(o.at), Err: why}
}

package dhcp4

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of RFC 1035 3.1 and 4.1.4, in octets.
const (
	maxLabel   = 63
	maxName    = 255 // on the wire, with the length octets and the root
	maxPointer = 1<<14 - 1
	pointer    = 0xc0 // the bits that tell a pointer from a length
)

var errName = errors.New("not a domain name")

// EncodeDomainSearch returns the value of option 119 (RFC 3397) for these domains: names of RFC 1035, an end that stands
// in full before replaced by a pointer to it. A name may end in a dot, and "." alone is the root. It returns an error
// that names the domain if a label is empty or longer than 63 octets, or the name longer than 255.
//
// No pointer leads to another, which some clients cannot follow. Names are compared octet by octet, not ignoring case,
// so that a client sees them as they were written.
func EncodeDomainSearch(domains []string) ([]byte, error) {
	var b []byte
	seen := make(map[string]int) // the ends of names, without the dot behind them, and where they stand in b
	for _, domain := range domains {
		rest := strings.TrimSuffix(domain, ".")
		if domain == "" || len(rest)+2 > maxName {
			return nil, fmt.Errorf("dhcp4: domain %q of %d octets: %w", domain, len(domain), errName)
		}
		name := rest
		for rest != "" {
			if at, ok := seen[rest]; ok {
				b = append(b, pointer|byte(at>>8), byte(at))
				break
			}
			label, next, dot := strings.Cut(rest, ".")
			if label == "" || len(label) > maxLabel || dot && next == "" {
				return nil, fmt.Errorf("dhcp4: domain %q: label %q of %d octets: %w", domain, label, len(label), errName)
			}
			b = append(b, byte(len(label)))
			b = append(b, label...)
			rest = next
		}
		if rest != "" {
			continue
		}
		for ; name != ""; _, name, _ = strings.Cut(name, ".") {
			if at := len(b) - len(name) - 1; at <= maxPointer { // a label's length stands where the dot before it would
				seen[name] = at
			}
		}
		b = append(b, 0)
	}
	return b, nil
}

// DecodeDomainSearch returns the domains of a value of option 119, without the dot at their ends, the root as ".". It
// returns an error that names the octet of the value where a name ends early (io.ErrUnexpectedEOF), has more than 255
// octets, has a dot in a label, or where a pointer does not point backwards, as RFC 1035 4.1.4 wants it to.
func DecodeDomainSearch(value []byte) ([]string, error) {
	var domains []string
	for at := 0; at < len(value); {
		name, next, err := decodeName(value, at)
		if err != nil {
			return nil, err
		}
		domains = append(domains, name)
		at = next
	}
	return domains, nil
}

// decodeName returns the name that begins at octet at of value, and where the next begins.
func decodeName(value []byte, at int) (name string, next int, err error) {
	var b strings.Builder
	size := 1    // on the wire, with the root
	lowest := at // pointers must point before it, so that there is an end
	jumped := false
	for {
		if at >= len(value) {
			return "", 0, fmt.Errorf("dhcp4: domain name at octet %d: %w", at, io.ErrUnexpectedEOF)
		}
		n := int(value[at])
		switch {
		case n == 0:
			if !jumped {
				next = at + 1
			}
			if b.Len() == 0 {
				return ".", next, nil
			}
			return b.String(), next, nil
		case n&pointer == pointer:
			if at+1 >= len(value) {
				return "", 0, fmt.Errorf("dhcp4: domain name at octet %d: %w", at+1, io.ErrUnexpectedEOF)
			}
			to := n&^pointer<<8 | int(value[at+1])
			if to >= lowest {
				return "", 0, fmt.Errorf("dhcp4: domain name at octet %d: pointer to %d, not backwards: %w", at, to, errName)
			}
			if !jumped {
				next = at + 2
			}
			jumped, lowest, at = true, to, to
		case n > maxLabel:
			return "", 0, fmt.Errorf("dhcp4: domain name at octet %d: label of type %#x: %w", at, n, errName)
		case at+1+n > len(value):
			return "", 0, fmt.Errorf("dhcp4: domain name at octet %d: %w", len(value), io.ErrUnexpectedEOF)
		default:
			label := string(value[at+1 : at+1+n])
			if size += 1 + n; size > maxName || strings.Contains(label, ".") {
				return "", 0, fmt.Errorf("dhcp4: domain name at octet %d: label %q: %w", at, label, errName)
			}
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(label)
			at += 1 + n
		}
	}
}

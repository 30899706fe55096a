package leasefile

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"github.com/tandem-dhcp/tandem/lease"
)

// Damage is a part of a lease file that cannot be believed and was left out. Unless Torn is set it answers to
// errors.Is(err, lease.ErrCorrupt), and the file as it was is kept under another name.
type Damage struct {
	Path   string
	Line   int   // where it begins, from 1
	Offset int64 // in the file, octets
	Size   int64 // octets
	// Torn says that the part is the unfinished end of a commit, as a crash leaves it: nobody was ever told that it
	// is durable.
	Torn bool
	// Addrs are addresses whose stanzas stand in the part, as far as they can be read, at most maxDamagedAddrs. What
	// the file now says of them may be older than what was promised.
	Addrs []netip.Addr
	Err   error // why
}

// maxDamagedAddrs bounds Damage.Addrs.
const maxDamagedAddrs = 100

// Error says where, how much, whose, and why.
func (d *Damage) Error() string {
	at := ""
	if len(d.Addrs) > 0 {
		at = fmt.Sprintf(", with %v", d.Addrs[0])
	}
	if len(d.Addrs) > 1 {
		at += fmt.Sprintf(" and %d more", len(d.Addrs)-1)
	}
	return fmt.Sprintf("leasefile: %s:%d: %d octets left out%s: %v", d.Path, d.Line, d.Size, at, d.Err)
}

// Unwrap gives lease.ErrCorrupt, unless the part is only torn, and the reason.
func (d *Damage) Unwrap() []error {
	if d.Torn {
		return []error{d.Err}
	}
	return []error{lease.ErrCorrupt, d.Err}
}

// Reasons of damage to what stands around stanzas.
var (
	errUnclosed = errors.New("a commit that nothing closes")
	errUnopened = errors.New("the end of a commit that nothing opens")
	errLength   = errors.New("a commit of another length than it says")
	errChecksum = errors.New("a commit whose checksum is wrong")
	errTorn     = errors.New("the torn end of a commit")
	errStray    = errors.New("a stanza of Tandem's outside of its commit")
	errBroken   = errors.New("a stanza that is broken off")
	errChanged  = errors.New("a stanza says something else than when it was read first")
	errLongLine = errors.New("a line too long for a lease file")
	errLong     = errors.New("a stanza too long for a lease file")
	errBrace    = errors.New("'}' closes nothing")
	errOctet    = errors.New("an octet that no lease file has outside of a string")
)

// leaseAddrs finds the addresses of the lease stanzas that begin in text.
func leaseAddrs(text []byte, found []netip.Addr) []netip.Addr {
	for len(text) > 0 && len(found) < maxDamagedAddrs {
		line := text
		if n := bytes.IndexByte(text, '\n'); n >= 0 {
			line, text = text[:n], text[n+1:]
		} else {
			text = nil
		}
		rest, ok := bytes.CutPrefix(line, []byte("lease "))
		if !ok {
			continue
		}
		word, _, _ := bytes.Cut(rest, []byte(" "))
		if a, err := netip.ParseAddr(string(word)); err == nil && a.Is4() {
			found = append(found, a)
		}
	}
	return found
}

package failover

import (
	"errors"

	"github.com/tandem-dhcp/tandem/lease"
)

// The DHCP options that tell the partner who a client is, in the draft's client-request-options (12.8): a magic cookie
// and options as in a DHCP message. ISC dhcpd skips them.
const (
	dhcpCookie      = "\x63\x82\x53\x63"
	dhcpPad         = 0
	dhcpEnd         = 255
	dhcpHostName    = 12
	dhcpVendorClass = 60
	dhcpRelayInfo   = 82
	maxDHCPOption   = 255
	// maxClientInfo bounds what goes into an update beside the binding itself, so that it always fits a message.
	maxClientInfo = 1024
)

// clientInfo is what l knows of its client beyond the binding, as client-request-options; "" if that is nothing.
func clientInfo(l lease.Lease) string {
	var b []byte
	add := func(code byte, value string) {
		if value != "" && len(value) <= maxDHCPOption && len(b)+2+len(value) <= maxClientInfo {
			b = append(append(b, code, byte(len(value))), value...)
		}
	}
	add(dhcpHostName, l.HostName)
	add(dhcpVendorClass, l.VendorClass)
	add(dhcpRelayInfo, l.RelayInfo)
	if len(b) == 0 {
		return ""
	}
	return dhcpCookie + string(b)
}

// errClientInfo says that client-request-options are not what they should be.
var errClientInfo = errors.New("malformed client-request-options")

// takeClientInfo puts what the partner knows of the client into l. Where it is malformed l stays as it was.
func takeClientInfo(l *lease.Lease, s string) error {
	if s == "" {
		return nil
	}
	if len(s) < len(dhcpCookie) || s[:len(dhcpCookie)] != dhcpCookie || len(s) > maxFrame {
		return errClientInfo
	}
	found := map[byte]string{}
	for s = s[len(dhcpCookie):]; len(s) > 0 && s[0] != dhcpEnd; {
		if s[0] == dhcpPad {
			s = s[1:]
			continue
		}
		if len(s) < 2 || len(s) < 2+int(s[1]) {
			return errClientInfo
		}
		n := 2 + int(s[1])
		found[s[0]] += s[2:n] // RFC 3396
		s = s[n:]
	}
	take := func(to *string, code byte) {
		if v, ok := found[code]; ok {
			*to = v
		}
	}
	take(&l.HostName, dhcpHostName)
	take(&l.VendorClass, dhcpVendorClass)
	take(&l.RelayInfo, dhcpRelayInfo)
	return nil
}

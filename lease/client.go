package lease

import (
	"encoding/hex"
	"strconv"
)

// HWAddr is a hardware address as the failover protocol writes it (draft section 12.5): one octet of hardware type
// (the htype of a DHCP header), then chaddr. It is a string so that it can be compared and can index a map. The empty
// HWAddr is "none".
type HWAddr string

// MakeHWAddr returns the HWAddr of a hardware type and an address. It copies addr.
func MakeHWAddr(htype uint8, addr []byte) HWAddr {
	b := make([]byte, 0, 1+20)
	b = append(b, htype)
	return HWAddr(append(b, addr...))
}

// Type returns the hardware type (1 is Ethernet), or 0 for the empty HWAddr.
func (h HWAddr) Type() uint8 {
	if h == "" {
		return 0
	}
	return h[0]
}

// Addr returns the octets of chaddr, without the hardware type.
func (h HWAddr) Addr() string {
	if h == "" {
		return ""
	}
	return string(h[1:])
}

// String returns the address as "08:00:27:d9:45:96"; a type other than Ethernet goes before it, as "6/08:00".
func (h HWAddr) String() string {
	var room [64]byte
	return string(h.AppendTo(room[:0]))
}

// AppendTo appends what String returns.
func (h HWAddr) AppendTo(b []byte) []byte {
	if h == "" {
		return b
	}
	if h[0] != 1 {
		b = append(strconv.AppendInt(b, int64(h[0]), 10), '/')
	}
	const digits = "0123456789abcdef"
	for i := 1; i < len(h); i++ {
		if i > 1 {
			b = append(b, ':')
		}
		b = append(b, digits[h[i]>>4], digits[h[i]&15])
	}
	return b
}

// Client names a DHCP client by the octets it sent. The zero Client is nobody.
type Client struct {
	ID string // DHCP option 61 as received, its type octet first; "" if the client sent none
	HW HWAddr // htype and chaddr
}

// IsZero reports whether c names nobody.
func (c Client) IsZero() bool { return c == Client{} }

// Is reports whether c and d are one client: by identifier if either has one, else by hardware address (RFC 2131
// 4.2). A client that sent an identifier once and none later is another client.
func (c Client) Is(d Client) bool {
	if c.IsZero() || d.IsZero() {
		return false
	}
	if c.ID != "" || d.ID != "" {
		return c.ID == d.ID
	}
	return c.HW == d.HW
}

// STID returns the octets that RFC 3074 hashes for this client: the identifier if there is one, else chaddr without
// its hardware type. It is empty for a Client that is nobody.
func (c Client) STID() string {
	if c.ID != "" {
		return c.ID
	}
	return c.HW.Addr()
}

// String returns the hardware address, or the identifier in hexadecimal where there is none.
func (c Client) String() string {
	if c.HW != "" {
		return c.HW.String()
	}
	return hex.EncodeToString([]byte(c.ID))
}

// Scope is a part of the network in which a client holds one lease: a link, or the subnets that share one. Zero is
// the only scope of a server that has no more.
type Scope uint32

// Key finds the leases of one client in one scope: by option 61 if it sent one, else by htype and chaddr.
type Key struct {
	Scope  Scope
	Client Client // either ID or HW is set
}

// Key returns the Key of c in the scope.
func (c Client) Key(s Scope) Key {
	if c.ID != "" {
		return Key{s, Client{ID: c.ID}}
	}
	return Key{s, Client{HW: c.HW}}
}

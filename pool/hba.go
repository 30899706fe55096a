package pool

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-dhcp/tandem/lease"
)

// Buckets is how many buckets there are: as many as the hash has values (RFC 3074 section 6).
const Buckets = 256

// mix is the mixing table of RFC 3074 section 6.
var mix = [Buckets]uint8{
	251, 175, 119, 215, 81, 14, 79, 191, 103, 49, 181, 143, 186, 157, 0, 232,
	31, 32, 55, 60, 152, 58, 17, 237, 174, 70, 160, 144, 220, 90, 57, 223,
	59, 3, 18, 140, 111, 166, 203, 196, 134, 243, 124, 95, 222, 179, 197, 65,
	180, 48, 36, 15, 107, 46, 233, 130, 165, 30, 123, 161, 209, 23, 97, 16,
	40, 91, 219, 61, 100, 10, 210, 109, 250, 127, 22, 138, 29, 108, 244, 67,
	207, 9, 178, 204, 74, 98, 126, 249, 167, 116, 34, 77, 193, 200, 121, 5,
	20, 113, 71, 35, 128, 13, 182, 94, 25, 226, 227, 199, 75, 27, 41, 245,
	230, 224, 43, 225, 177, 26, 155, 150, 212, 142, 218, 115, 241, 73, 88, 105,
	39, 114, 62, 255, 192, 201, 145, 214, 168, 158, 221, 148, 154, 122, 12, 84,
	82, 163, 44, 139, 228, 236, 205, 242, 217, 11, 187, 146, 159, 64, 86, 239,
	195, 42, 106, 198, 118, 112, 184, 172, 87, 2, 173, 117, 176, 229, 247, 253,
	137, 185, 99, 164, 102, 147, 45, 66, 231, 52, 141, 211, 194, 206, 246, 238,
	56, 110, 78, 248, 63, 240, 189, 93, 92, 51, 53, 183, 19, 171, 72, 50,
	33, 104, 101, 69, 8, 252, 83, 120, 76, 135, 85, 54, 202, 125, 188, 213,
	96, 235, 136, 208, 162, 129, 190, 132, 156, 38, 47, 1, 7, 254, 24, 4,
	216, 131, 89, 21, 28, 133, 37, 153, 149, 80, 170, 68, 6, 169, 234, 151,
}

// Bucket returns the bucket of a client, by Pearson's hash (RFC 3074 section 6) over its service transaction
// identifier (section 2.2): the whole value of option 61 if the client sent one, else the octets of chaddr without the
// hardware type (see lease.Client.STID). As in ISC dhcpd, the length is not limited.
func Bucket[T ~string | ~[]byte](stid T) uint8 {
	h := uint8(len(stid))
	for i := len(stid) - 1; i >= 0; i-- {
		h = mix[h^stid[i]]
	}
	return h
}

// HBA is a hash bucket assignment (draft section 12.11): which of the two servers serves which bucket. Bucket b is
// bit b%8 of octet b/8, the least significant bit being bit 0. A bit of 1 is the primary's, as ISC dhcpd has it; the
// draft says the secondary's. The zero HBA leaves all to the secondary.
type HBA [Buckets / 8]byte

// Split returns the HBA that gives the primary the buckets 0 to n-1 and the secondary the others. It returns an error
// unless n is 0 to 256. (dhcpd.conf: split)
func Split(n int) (HBA, error) {
	var h HBA
	if n < 0 || n > Buckets {
		return h, fmt.Errorf("pool: split %d: there are 0 to %d buckets to give to the primary", n, Buckets)
	}
	for b := range n {
		h[b/8] |= 1 << (b % 8)
	}
	return h, nil
}

// Primary reports whether the primary serves the bucket.
func (h HBA) Primary(bucket uint8) bool { return h[bucket/8]>>(bucket%8)&1 == 1 }

// WantedByPartner returns the function that reports whether a client is served by the partner of the server of the
// given role, as Surplus and Balance.Affinity need it. A client that sent no octets to hash is nobody's.
func (h HBA) WantedByPartner(primary bool) func(lease.Client) bool {
	return func(c lease.Client) bool {
		stid := c.STID()
		return stid != "" && h.Primary(Bucket(stid)) != primary
	}
}

// ParseHBA reads 32 octets in hexadecimal with colons between them, "ff:ff:0f:" and so on, as String and
// dhcpd.conf(5) write them (statement hba). An octet may have one digit.
func ParseHBA(s string) (HBA, error) {
	var h HBA
	if n := strings.Count(s, ":") + 1; n != len(h) {
		return HBA{}, fmt.Errorf("pool: hash bucket assignment has %d octets, not %d", n, len(h))
	}
	for i, octet := range strings.Split(s, ":") {
		if len(octet) > 2 {
			return HBA{}, fmt.Errorf("pool: hash bucket assignment: octet %d is %q: more than two digits", i, octet)
		}
		v, err := strconv.ParseUint(octet, 16, 8)
		if err != nil {
			return HBA{}, fmt.Errorf("pool: hash bucket assignment: octet %d: %w", i, err)
		}
		h[i] = byte(v)
	}
	return h, nil
}

// String returns h as ParseHBA reads it.
func (h HBA) String() string {
	b := make([]byte, 0, 3*len(h))
	for i := range h {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, h[i:i+1])
	}
	return string(b)
}

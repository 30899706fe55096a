package failover

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strconv"
)

// DigestType is how the messages between two servers with a shared secret are proven (draft section 12.17).
type DigestType uint8

// The two types. ISC dhcpd knows neither: it skips them and sends none.
const (
	// DigestHMACMD5 is the draft's, for a partner of another make. It covers one message at a time. Against replay
	// there are the clocks, the xids and the times of CONNECT, so a man in the middle can still repeat to the primary
	// what he has heard within the last minute, or send a message back to where it came from.
	DigestHMACMD5 DigestType = 1
	// DigestHMACSHA256 is between two Tandem nodes; the draft has no such number. It covers, besides the message, who
	// of the two sends it, random octets of both sides and how many messages went before on this connection: none can be
	// repeated, reordered, left out or sent back.
	DigestHMACSHA256 DigestType = 2
)

// String returns "HMAC-MD5" or "HMAC-SHA-256", or "DigestType(9)" for what has no name.
func (t DigestType) String() string {
	switch t {
	case DigestHMACMD5:
		return "HMAC-MD5"
	case DigestHMACSHA256:
		return "HMAC-SHA-256"
	}
	return "DigestType(" + strconv.Itoa(int(t)) + ")"
}

// Secret is what both servers of a relationship know, and nobody else. It does not show itself to fmt.
type Secret []byte

// String returns "(secret)", or "(no secret)".
func (s Secret) String() string {
	if len(s) == 0 {
		return "(no secret)"
	}
	return "(secret)"
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

const (
	minSecret   = 16 // octets: a shorter one can be guessed from a single message
	nonceSize   = 16 // octets
	optionStart = 4  // octets: code and length
)

// seal makes and checks the digests on one connection. One goroutine may sign while another checks, once the first
// message each way has passed. A nil seal is for a relationship without a secret: it signs nothing, and refuses what is
// signed.
type seal struct {
	typ     DigestType
	role    Role               // of this server
	in, out hash.Hash          // HMACs, each with its own state
	nonces  [2][nonceSize]byte // of both roles; zero until known
	checked uint64             // messages
	signed  uint64
	xid     uint32 // of the partner's last request
	asked   bool   // there was one
}

func newSeal(c Config) *seal {
	if len(c.Secret) == 0 {
		return nil
	}
	s := &seal{typ: c.DigestType, role: c.Role}
	algorithm := sha256.New
	if s.typ == DigestHMACMD5 {
		algorithm = md5.New
	}
	s.in, s.out = hmac.New(algorithm, c.Secret), hmac.New(algorithm, c.Secret)
	_, _ = rand.Read(s.nonces[s.role][:]) // never fails
	return s
}

// xidOfConnect is the xid of a CONNECT. Where there is a secret it cannot be foreseen, so that an old CONNECTACK, which
// repeats it, is known for one.
func (s *seal) xidOfConnect() uint32 {
	if s == nil {
		return 0
	}
	return binary.BigEndian.Uint32(s.nonces[s.role][:])
}

// nonce is how many octets of nonce stand before the digest of message number n in its direction: those of the first are
// how the other side learns them.
func (s *seal) nonce(n uint64) int {
	if s.typ == DigestHMACSHA256 && n == 0 {
		return nonceSize
	}
	return 0
}

// digest returns the HMAC of message number n from the server of that role, whose own digest is zeroed.
//
// The draft's "entire message concatenated with the shared secret" (11.1) is read as RFC 2104 has it: the secret is the
// key.
func (s *seal) digest(h hash.Hash, from Role, n uint64, b []byte) []byte {
	h.Reset()
	if s.typ == DigestHMACSHA256 {
		nonces := s.nonces
		if from == Primary && n == 0 {
			nonces[Secondary] = [nonceSize]byte{} // CONNECT: the primary does not know it yet
		}
		h.Write([]byte{byte(from)})
		h.Write(nonces[Primary][:])
		h.Write(nonces[Secondary][:])
		h.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	h.Write(b)
	return h.Sum(nil)
}

// appendFrame appends f to b, with the digest as its first option (draft 12.17). It returns b as it was and a
// *FrameError if there is no room for it, or for what Frame.AppendBinary says.
func (s *seal) appendFrame(b []byte, f *Frame) ([]byte, error) {
	start := len(b)
	b, err := f.AppendBinary(b)
	if err != nil || s == nil {
		return b, err
	}
	nonce := s.nonce(s.signed)
	value := 1 + nonce + s.out.Size()
	n := len(b) - start + optionStart + value
	if n > maxFrame {
		return b[:start], &FrameError{Type: f.Body.Type(), Option: OptionMessageDigest, Octet: headerSize,
			Err: fmt.Errorf("%d octets with it, a message has at most %d", n, maxFrame)}
	}
	b = append(b, make([]byte, optionStart+value)...)
	m := b[start:]
	copy(m[headerSize+optionStart+value:], m[headerSize:]) // copy, like memmove, may overlap
	binary.BigEndian.PutUint16(m, uint16(n))
	option := m[headerSize : headerSize+optionStart+value]
	clear(option)
	option[1], option[3], option[4] = byte(OptionMessageDigest), byte(value), byte(s.typ)
	copy(option[optionStart+1:][:nonce], s.nonces[s.role][:])
	copy(option[optionStart+1+nonce:], s.digest(s.out, s.role, s.signed, m))
	s.signed++
	return b, nil
}

// check returns nil if the message b, which is whole, has the right digest; else an error that wraps one of
// RejectDigestMissing, RejectDigestMismatch and RejectDigestUnsupported. It zeroes the digest in b. A nil seal finds no
// fault here: see channel.read.
func (s *seal) check(b []byte) error {
	if s == nil {
		return nil
	}
	// Draft 12.17: the digest is the first option.
	at := int(b[3])
	if at < headerSize || len(b) < at+optionStart || OptionCode(binary.BigEndian.Uint16(b[at:])) != OptionMessageDigest {
		return RejectDigestMissing
	}
	value := b[at+optionStart:]
	n := int(binary.BigEndian.Uint16(b[at+2:]))
	if n > len(value) || n == 0 {
		return fmt.Errorf("%w: %d octets of it", RejectDigestMismatch, n)
	}
	if t := DigestType(value[0]); t != s.typ {
		return fmt.Errorf("%w: %v, want %v", RejectDigestUnsupported, t, s.typ)
	}
	nonce := s.nonce(s.checked)
	if want := 1 + nonce + s.in.Size(); n != want {
		return fmt.Errorf("%w: %d octets of it, want %d", RejectDigestMismatch, n, want)
	}
	from := Secondary
	if s.role == Secondary {
		from = Primary
	}
	if nonce > 0 {
		s.nonces[from] = [nonceSize]byte(value[1:])
	}
	got := make([]byte, s.in.Size())
	copy(got, value[1+nonce:n])
	clear(value[1+nonce : n])
	if !hmac.Equal(got, s.digest(s.in, from, s.checked, b)) {
		return RejectDigestMismatch
	}
	if err := s.checkXID(b); err != nil {
		return err
	}
	s.checked++
	return nil
}

// answers are the messages that repeat the xid of a request.
var answers = [...]bool{
	TypePoolResponse: true, TypeBindingAck: true, TypeConnectAck: true, TypeUpdateDone: true, TypeDisconnect: false,
}

// checkXID returns an error if the xid of a partner's request is not greater than that of the request before: draft
// 11.1, which says so of all messages, though an answer has the xid of what it answers. CONNECT counts apart.
func (s *seal) checkXID(b []byte) error {
	if s.checked == 0 || int(b[2]) < len(answers) && answers[b[2]] {
		return nil
	}
	xid := binary.BigEndian.Uint32(b[8:])
	if s.asked && int32(xid-s.xid) <= 0 {
		return fmt.Errorf("%w: xid %d after %d: a message of before", RejectDigestMismatch, xid, s.xid)
	}
	s.xid, s.asked = xid, true
	return nil
}

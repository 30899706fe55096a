package failover

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const secret = "a secret of the two servers"

// sealed returns the seals of the two ends of one connection.
func sealed(typ DigestType) (primary, secondary *seal) {
	c := Config{Secret: Secret(secret), DigestType: typ}
	primary = newSeal(c)
	c.Role = Secondary
	return primary, newSeal(c)
}

// signed returns messages of s, octets each.
func signed(t *testing.T, s *seal, frames ...*Frame) [][]byte {
	t.Helper()
	var all [][]byte
	for _, f := range frames {
		b, err := s.appendFrame(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// talk returns the conversation as the primary's end of a connection sends it, and the CONNECTACK in between.
func talk(t *testing.T, p, s *seal) (conversed [][]byte, ack []byte) {
	t.Helper()
	conversed = signed(t, p, conversation[0])
	was := *s
	if err := s.check(bytes.Clone(conversed[0])); err != nil {
		t.Fatal(err)
	}
	ack = signed(t, s, &Frame{Time: start, XID: 7, Body: &ConnectAck{Name: "ha-dhcp"}})[0]
	if err := p.check(bytes.Clone(ack)); err != nil {
		t.Fatal(err)
	}
	s.checked, s.nonces = was.checked, was.nonces // CONNECT is still to be read
	return append(conversed, signed(t, p, conversation[1:]...)...), ack
}

var conversation = []*Frame{
	{Time: start, XID: 7, Body: &Connect{Name: "ha-dhcp", Version: 1, MCLT: time.Hour}},
	{Time: start, XID: 1, Body: &StateReport{State: Normal, Since: start}},
	{Time: start, XID: 2, Body: &Contact{}},
	{Time: start, XID: 2, Body: &UpdateDone{}},
	{Time: start, XID: 3, Body: &Contact{}},
	{Time: start, XID: 4, Body: &UpdateRequest{}},
}

// TestDigestOfTheDraft computes the digest of one message by hand.
func TestDigestOfTheDraft(t *testing.T) {
	p, _ := sealed(DigestHMACMD5)
	got := signed(t, p, &Frame{Time: start, XID: 1, Body: &StateReport{State: Normal, Since: start}})[0]
	plain := encode(t, &Frame{Time: start, XID: 1, Body: &StateReport{State: Normal, Since: start}})
	want := bytes.Join([][]byte{plain[:headerSize], {0, 17, 0, 17, 1}, make([]byte, 16), plain[headerSize:]}, nil)
	want[1] += 21
	h := hmac.New(md5.New, []byte(secret))
	h.Write(want)
	copy(want[headerSize+5:], h.Sum(nil))
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
	var f Frame
	if err := f.UnmarshalBinary(got); err != nil || f.Digest.Type != 1 || len(f.Digest.Sum) != 16 {
		t.Errorf("it is read as %v, %v", &f, err)
	}
}

func TestDigestTampered(t *testing.T) {
	for _, typ := range []DigestType{DigestHMACMD5, DigestHMACSHA256} {
		t.Run(typ.String(), func(t *testing.T) {
			p, s := sealed(typ)
			all, _ := talk(t, p, s)
			for n, b := range all {
				for i := range 8 * len(b) {
					forged := bytes.Clone(b)
					forged[i/8] ^= 1 << (i % 8)
					was := *s
					if err := s.check(forged); err == nil {
						t.Fatalf("message %d with bit %d turned is believed", n, i)
					}
					s.nonces, s.checked, s.xid, s.asked = was.nonces, was.checked, was.xid, was.asked
				}
				if err := s.check(bytes.Clone(b)); err != nil {
					t.Fatalf("message %d: %v", n, err)
				}
			}
		})
	}
}

// TestDigestReplay has what somebody in the middle may do with messages that are genuine.
func TestDigestReplay(t *testing.T) {
	tests := []struct {
		name  string
		order []int // of conversation
		// whether each type notices
		md5, sha256 bool
	}{
		{"as they were sent", []int{0, 1, 2, 3, 4, 5}, false, false},
		{"one twice", []int{0, 1, 2, 2}, true, true},
		{"one again later", []int{0, 1, 2, 3, 4, 1}, true, true},
		{"two changed over", []int{0, 2, 1}, true, true},
		{"an answer twice", []int{0, 1, 2, 3, 3}, false, true},
		{"one left out", []int{0, 2}, false, true},
	}
	for _, typ := range []DigestType{DigestHMACMD5, DigestHMACSHA256} {
		for _, tc := range tests {
			t.Run(typ.String()+"/"+tc.name, func(t *testing.T) {
				p, s := sealed(typ)
				all, _ := talk(t, p, s)
				var err error
				for _, i := range tc.order {
					if err = s.check(bytes.Clone(all[i])); err != nil {
						break
					}
				}
				if noticed := map[DigestType]bool{DigestHMACMD5: tc.md5, DigestHMACSHA256: tc.sha256}[typ]; noticed != (err != nil) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	t.Run("of another connection", func(t *testing.T) {
		p, s := sealed(DigestHMACSHA256)
		old, ack := talk(t, p, s)
		// The CONNECT of before is taken, as the first message; the rest must fit this connection's CONNECTACK.
		_, again := sealed(DigestHMACSHA256)
		if err := again.check(bytes.Clone(old[0])); err != nil {
			t.Fatal(err)
		}
		signed(t, again, &Frame{Time: start, Body: &ConnectAck{Name: "ha-dhcp"}})
		if err := again.check(bytes.Clone(old[1])); !errors.Is(err, RejectDigestMismatch) {
			t.Errorf("STATE of before: %v", err)
		}
		another, _ := sealed(DigestHMACSHA256)
		signed(t, another, conversation[0])
		if err := another.check(ack); !errors.Is(err, RejectDigestMismatch) {
			t.Errorf("CONNECTACK of before: %v", err)
		}
	})
	t.Run("sent back", func(t *testing.T) {
		p, s := sealed(DigestHMACSHA256)
		all, _ := talk(t, p, s)
		// It has read CONNECTACK, as it has sent CONNECT: the next numbers are the same both ways.
		if err := p.check(bytes.Clone(all[p.checked])); !errors.Is(err, RejectDigestMismatch) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDigestForms(t *testing.T) {
	_, s := sealed(DigestHMACMD5)
	for name, tc := range map[string]struct {
		options string
		want    RejectReason
	}{
		"none":               {"", RejectDigestMissing},
		"not the first":      {"0019 0004 00000000 0011 0011 01" + strings.Repeat("00", 16), RejectDigestMissing},
		"cut short":          {"0011 00", RejectDigestMissing},
		"empty":              {"0011 0000", RejectDigestMismatch},
		"beyond the end":     {"0011 0011 01 00", RejectDigestMismatch},
		"too short":          {"0011 0010 01" + strings.Repeat("00", 15), RejectDigestMismatch},
		"too long":           {"0011 0012 01" + strings.Repeat("00", 17), RejectDigestMismatch},
		"of another type":    {"0011 0021 02" + strings.Repeat("00", 32), RejectDigestUnsupported},
		"of type 0":          {"0011 0011 00" + strings.Repeat("00", 16), RejectDigestUnsupported},
		"all zero":           {"0011 0011 01" + strings.Repeat("00", 16), RejectDigestMismatch},
		"an option too much": {"0018 0001 02", RejectDigestMissing},
	} {
		if err := s.check(message(t, TypeState, tc.options)); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
}

func TestDigestFits(t *testing.T) {
	p, _ := sealed(DigestHMACSHA256)
	f := &Frame{Time: start, Body: &Contact{}, Vendor: strings.Repeat("v", maxFrame-headerSize-4-37-16)}
	b := append([]byte{1, 2, 3}, 0)[:3]
	out, err := p.appendFrame(b, f)
	if err != nil || len(out) != 3+maxFrame || out[0] != 1 {
		t.Fatalf("%d octets, %v", len(out), err)
	}
	f.Vendor += "v" // and no nonce any more
	p.signed = 0
	var bad *FrameError
	if out, err = p.appendFrame(b, f); !errors.As(err, &bad) || bad.Option != OptionMessageDigest || len(out) != 3 {
		t.Errorf("%d octets, %v", len(out), err)
	}
	if p.signed != 0 {
		t.Error("a message that was not made counts")
	}
}

func TestSecretIsNotShown(t *testing.T) {
	cfg := Config{Name: "f", Secret: Secret(secret)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if s := fmt.Sprintf(verb, cfg); strings.Contains(s, "secret of") || strings.Contains(s, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows %s", verb, s)
		}
	}
}

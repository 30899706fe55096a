package dhcp4_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/rfc1035label"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

func TestDomainSearch(t *testing.T) {
	long := strings.Repeat("a", 63)
	longest := long + "." + long + "." + long + "." + long[:61]
	for _, test := range []struct {
		name    string
		domains []string
		want    string
	}{
		{"none", nil, ""},
		{"one, as ISC dhcpd sends it", []string{"domain.com"}, "\x06domain\x03com\x00"},
		{"RFC 3397 2: compressed", []string{"eng.apple.com.", "marketing.apple.com."},
			"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04"},
		{"a name twice", []string{"a.b", "a.b"}, "\x01a\x01b\x00\xc0\x00"},
		{"no pointer to a pointer", []string{"a.b.c", "d.b.c", "e.d.b.c", "c"},
			"\x01a\x01b\x01c\x00\x01d\xc0\x02\x01e\x01d\xc0\x02\xc0\x04"},
		{"case is kept", []string{"a.Com", "a.com"}, "\x01a\x03Com\x00\x01a\x03com\x00"},
		{"the root", []string{"."}, "\x00"},
		{"the longest", []string{longest}, "\x3f" + long + "\x3f" + long + "\x3f" + long + "\x3d" + long[:61] + "\x00"},
	} {
		got, err := dhcp4.EncodeDomainSearch(test.domains)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
		}
		var want []string
		for _, d := range test.domains {
			if d != "." {
				d = strings.TrimSuffix(d, ".")
			}
			want = append(want, d)
		}
		if domains, err := dhcp4.DecodeDomainSearch(got); err != nil || !slices.Equal(domains, want) {
			t.Errorf("%s: decoded %q, %v, want %q", test.name, domains, err, want)
		}
		if other, err := rfc1035label.FromBytes(got); test.name != "the root" && (err != nil || !slices.Equal(other.Labels, want)) {
			t.Errorf("%s: insomniacslk decodes %q, %v, want %q", test.name, other, err, want)
		}
	}
}

func TestEncodeDomainSearchRefuses(t *testing.T) {
	for _, test := range []struct{ domain, want string }{
		{"", `dhcp4: domain "" of 0 octets: not a domain name`},
		{"a..b", `dhcp4: domain "a..b": label "" of 0 octets: not a domain name`},
		{".a", `dhcp4: domain ".a": label "" of 0 octets: not a domain name`},
		{"a..", `dhcp4: domain "a..": label "a" of 1 octets: not a domain name`},
		{strings.Repeat("a", 64), `dhcp4: domain "` + strings.Repeat("a", 64) + `": label "` + strings.Repeat("a", 64) +
			`" of 64 octets: not a domain name`},
		{strings.Repeat("a.", 128), `dhcp4: domain "` + strings.Repeat("a.", 128) + `" of 256 octets: not a domain name`},
	} {
		if got, err := dhcp4.EncodeDomainSearch([]string{"b", test.domain}); err == nil || err.Error() != test.want {
			t.Errorf("got  %q, %v\nwant %s", got, err, test.want)
		}
	}
}

func TestDecodeDomainSearchRefuses(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		eof            bool
	}{
		{"no end", "\x01a", "dhcp4: domain name at octet 2: unexpected EOF", true},
		{"a cut label", "\x01a\x05bc", "dhcp4: domain name at octet 5: unexpected EOF", true},
		{"half a pointer", "\x01a\x00\xc0", "dhcp4: domain name at octet 4: unexpected EOF", true},
		{"a pointer to itself", "\xc0\x00", "dhcp4: domain name at octet 0: pointer to 0, not backwards: not a domain name", false},
		{"a pointer into its own name", "\x01a\xc0\x00",
			"dhcp4: domain name at octet 2: pointer to 0, not backwards: not a domain name", false},
		{"a pointer forwards", "\xc0\x02\x01a\x00",
			"dhcp4: domain name at octet 0: pointer to 2, not backwards: not a domain name", false},
		{"a label of another type", "\x40", "dhcp4: domain name at octet 0: label of type 0x40: not a domain name", false},
		{"a pointer round", "\x01a\x00\xc0\x05\xc0\x03",
			"dhcp4: domain name at octet 3: pointer to 5, not backwards: not a domain name", false},
		{"a dot", "\x03a.b\x00", `dhcp4: domain name at octet 0: label "a.b": not a domain name`, false},
		{"a name too long", strings.Repeat("\x01a", 127) + "\x01a\x00",
			`dhcp4: domain name at octet 254: label "a": not a domain name`, false},
	} {
		got, err := dhcp4.DecodeDomainSearch([]byte(test.in))
		if err == nil || err.Error() != test.want || errors.Is(err, io.ErrUnexpectedEOF) != test.eof {
			t.Errorf("%s: got %q, %v\nwant %s", test.name, got, err, test.want)
		}
	}
}

// Others send pointers that lead to pointers.
func TestDecodeDomainSearchFollows(t *testing.T) {
	got, err := dhcp4.DecodeDomainSearch([]byte("\x01b\x01c\x00\x01a\xc0\x00\x01d\xc0\x05\xc0\x09"))
	if want := []string{"b.c", "a.b.c", "d.a.b.c", "d.a.b.c"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func FuzzDomainSearch(f *testing.F) {
	for _, s := range []string{"\x06domain\x03com\x00", "\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04", "\x00", "\xc0\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		domains, err := dhcp4.DecodeDomainSearch(in)
		if err != nil {
			return
		}
		out, err := dhcp4.EncodeDomainSearch(domains)
		if err != nil {
			t.Fatalf("%q does not encode: %v", domains, err)
		}
		if again, err := dhcp4.DecodeDomainSearch(out); err != nil || !slices.Equal(domains, again) {
			t.Fatalf("%q decodes as %q, %v", domains, again, err)
		}
	})
}

package failover

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// stream returns what ISC dhcpd might have sent in a row, and the messages in it.
func stream(t testing.TB) ([]byte, [][]byte) {
	var all []byte
	var each [][]byte
	for _, s := range samples(t, "isc.jsonl") {
		b := s.octets(t)
		all, each = append(all, b...), append(each, b)
	}
	return all, each
}

func TestReader(t *testing.T) {
	all, each := stream(t)
	for name, r := range map[string]io.Reader{
		"all at once":               bytes.NewReader(all),
		"octet by octet":            iotest.OneByteReader(bytes.NewReader(all)),
		"half of what is asked for": iotest.HalfReader(bytes.NewReader(all)),
		"the end with the last":     iotest.DataErrReader(bytes.NewReader(all)),
	} {
		t.Run(name, func(t *testing.T) {
			reader := NewReader(r)
			for i, want := range each {
				f, err := reader.ReadFrame()
				if err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
				if got := encode(t, f); !bytes.Equal(got, want) {
					t.Fatalf("message %d: got %x, want %x", i, got, want)
				}
			}
			for range 2 {
				if f, err := reader.ReadFrame(); err != io.EOF || f != nil {
					t.Fatalf("at the end: %v, %v", f, err)
				}
			}
		})
	}
}

func TestReaderCutShort(t *testing.T) {
	b := octets(t, "001e 0a 0c 6b02db3e 00000000 0018 0001 06 0017 0001 01 0019 0004 6b02db39")
	for n := 1; n < len(b); n++ {
		r := NewReader(io.MultiReader(bytes.NewReader(b), bytes.NewReader(b[:n])))
		if _, err := r.ReadFrame(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := r.ReadFrame()
			var bad *FrameError
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &bad) || bad.Octet != n {
				t.Fatalf("%d octets of %d: %v", n, len(b), err)
			}
			if want := map[bool]MessageType{true: TypeState}[n > 2]; bad.Type != want {
				t.Fatalf("%d octets of %d: type %v", n, len(b), bad.Type)
			}
		}
	}
}

// TestReaderGoesOn has a message that is bad in itself between two good ones.
func TestReaderGoesOn(t *testing.T) {
	contact := message(t, TypeContact, "")
	for name, bad := range map[string][]byte{
		"an unknown type":       message(t, 13, ""),
		"an option cut short":   message(t, TypeContact, "0018 0007 00"),
		"a bad payload offset":  octets(t, "000c 0b 08 6b02db3e 00000007"),
		"the greatest of these": message(t, 200, strings.Repeat("00", maxFrame-headerSize)),
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(bytes.NewReader(bytes.Join([][]byte{contact, bad, contact}, nil)))
			if _, err := r.ReadFrame(); err != nil {
				t.Fatal(err)
			}
			var fault *FrameError
			if _, err := r.ReadFrame(); !errors.As(err, &fault) {
				t.Fatalf("got %v, want a FrameError", err)
			}
			if _, err := r.ReadFrame(); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ReadFrame(); err != io.EOF {
				t.Fatal(err)
			}
		})
	}
}

// TestReaderStops has lengths after which nobody knows where the next message begins.
func TestReaderStops(t *testing.T) {
	for _, length := range []string{"0000", "000b", "0801", "ffff"} {
		r := NewReader(bytes.NewReader(append(octets(t, length), message(t, TypeContact, "")...)))
		_, first := r.ReadFrame()
		_, second := r.ReadFrame()
		var bad *FrameError
		if !errors.As(first, &bad) || errors.Is(first, io.ErrUnexpectedEOF) || second.Error() != first.Error() {
			t.Errorf("length %s: %v, then %v", length, first, second)
		}
		if !r.Buffered() {
			t.Errorf("length %s: the error would not come at once", length)
		}
	}
}

func TestReaderFailure(t *testing.T) {
	broken := errors.New("broken")
	half := message(t, TypeContact, "")[:5]
	r := NewReader(io.MultiReader(bytes.NewReader(half), iotest.ErrReader(broken)))
	for range 2 {
		if _, err := r.ReadFrame(); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "failover: ") {
			t.Errorf("got %v", err)
		}
	}
	r = NewReader(idle{})
	if _, err := r.ReadFrame(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

// idle never has anything to read, and never says so.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestReaderBuffered(t *testing.T) {
	contact := message(t, TypeContact, "")
	// Each Read gives one of these.
	parts := [][]byte{bytes.Repeat(contact, 3), contact[:1], contact[1:5], contact[5:]}
	var readers []io.Reader
	for _, p := range parts {
		readers = append(readers, bytes.NewReader(p))
	}
	r := NewReader(io.MultiReader(readers...))
	for i, want := range []bool{false, true, true, false} {
		if got := r.Buffered(); got != want {
			t.Errorf("before message %d: Buffered is %v", i, got)
		}
		if _, err := r.ReadFrame(); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if r.Buffered() {
		t.Error("after the last message: the stream might have more")
	}
	if _, err := r.ReadFrame(); err != io.EOF {
		t.Fatal(err)
	}
	if !r.Buffered() {
		t.Error("the end of the stream would not come at once")
	}
}

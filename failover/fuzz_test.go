package failover

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
)

func seed(f *testing.F, add func([]byte)) {
	for _, name := range []string{"isc.jsonl", "probe.jsonl"} {
		for _, s := range samples(f, name) {
			add(s.octets(f))
		}
	}
	add(message(f, TypeContact, "001d 0004 00010000 0011 0011 01 000102030405060708090a0b0c0d0e0f"))
	add(message(f, TypeConnect, "000a 0001 03 0016 0002 6100"))
	add(message(f, TypeBindingAck, "0002 0004 0a000001 0015 0001 00 0002 0004 0a000002"))
}

// sendable changes f, which was received, in what AppendBinary is documented to change, and reports whether it is
// documented to take it.
func sendable(f *Frame) bool {
	switch b := f.Body.(type) {
	case *Connect:
		b.Name, b.VendorClass = sendableText(b.Name), sendableText(b.VendorClass)
	case *ConnectAck:
		b.Name, b.VendorClass, b.Text = sendableText(b.Name), sendableText(b.VendorClass), sendableText(b.Text)
	case *Disconnect:
		b.Text = sendableText(b.Text)
	case *BindingAck:
		for i := range b.Results {
			b.Results[i].Text = sendableText(b.Results[i].Text)
		}
	case *StateReport:
		return !b.Has(OptionServerState) || b.State.sendable()
	case *BindingUpdate:
		for i := range b.Bindings {
			if b.Bindings[i].Has(OptionBindingStatus) && !b.Bindings[i].Status.Valid() {
				return false
			}
		}
	}
	return true
}

// FuzzFrame reads, writes, reads and compares.
func FuzzFrame(f *testing.F) {
	seed(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, before []byte) {
		var m, again Frame
		in := bytes.Clone(before)
		err := m.UnmarshalBinary(in)
		if !bytes.Equal(in, before) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			var bad *FrameError
			if !errors.As(err, &bad) || bad.Octet < 0 || bad.Octet > len(in) {
				t.Fatalf("%x: %v", in, err)
			}
			return
		}
		clear(in) // nothing of it may be kept
		_, _ = m.String(), m.Relative(m.Time)
		if !sendable(&m) {
			if _, err := m.MarshalBinary(); err == nil {
				t.Fatalf("%x: %v was written", before, &m)
			}
			return
		}
		out, err := m.MarshalBinary()
		if err != nil {
			t.Fatalf("%x: %v: %v", before, &m, err)
		}
		if err := again.UnmarshalBinary(out); err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%x\n%x\n%v\n%v\n%v", before, out, &m, &again, err)
		}
	})
}

// pieces gives in in pieces of random size, some of them empty.
type pieces struct {
	in   []byte
	rand *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.in[:min(len(p.in), p.rand.IntN(40))])
	p.in = p.in[n:]
	return n, nil
}

// FuzzReader compares the Reader on a stream in pieces with a plain loop over the same octets.
func FuzzReader(f *testing.F) {
	seed(f, func(b []byte) { f.Add(b, uint64(1)) })
	all, _ := stream(f)
	f.Add(all, uint64(2))
	f.Add(append(all[:200:200], 0, 4), uint64(3))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		r := NewReader(&pieces{in, rand.New(rand.NewPCG(seed, 0))})
		for at := 0; ; {
			got, err := r.ReadFrame()
			var bad *FrameError
			if err != nil && err != io.EOF && !errors.As(err, &bad) {
				t.Fatal(err)
			}
			rest := in[at:]
			if len(rest) == 0 {
				if err != io.EOF {
					t.Fatalf("at the end: %v, %v", got, err)
				}
				return
			}
			n, want := frameLength(rest)
			if want == nil && n > len(rest) {
				want = io.ErrUnexpectedEOF
			}
			if want != nil { // no way past this one
				if err == nil || errors.Is(err, io.ErrUnexpectedEOF) != errors.Is(want, io.ErrUnexpectedEOF) {
					t.Fatalf("at octet %d: got %v, want %v", at, err, want)
				}
				return
			}
			var f Frame
			want = f.UnmarshalBinary(rest[:n])
			if (err == nil) != (want == nil) || err == nil && !reflect.DeepEqual(*got, f) ||
				err != nil && err.Error() != want.Error() {
				t.Fatalf("at octet %d: got %v, %v; want %v, %v", at, got, err, &f, want)
			}
			at += n
		}
	})
}

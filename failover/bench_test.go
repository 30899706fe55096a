package failover

import (
	"strings"
	"testing"
)

// benchFrames are messages of the kinds that matter when two servers catch up.
var benchFrames = []struct{ name, hex string }{
	{"bndupd", "0044030c6b02db46000000f7 00020004 0a000a81 00030001 02 00050007 01b6ec57bf933c 000d0004 6b02db82" +
		"00120004 6b0c15e4 00190004 6b02db46 00060004 6b02db46"},
	{"bndack", "0014040c6b02db48000000f7 00020004 0a000a81"},
	{"state", "001e0a0c6b02db3e00000000 00180001 06 00170001 01 00190004 6b02db39"},
	{"contact", "000c0b0c6b02db5a000000f8"},
	{"connect", "006d050c6b02db3e00000000 00160007 68612d64686370 000e0004 0000000a 00130004 0000003c" +
		"001c000c 6973632d342e342e332d5031 00140001 01 001b0001 00 000f0004 0000003c 000b0020" + strings.Repeat("f0", 32)},
}

func BenchmarkFrame(b *testing.B) {
	for _, m := range benchFrames {
		in := octets(b, m.hex)
		f := decode(b, in)
		b.Run("op=decode/type="+m.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var f Frame
			for b.Loop() {
				if err := f.UnmarshalBinary(in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("op=encode/type="+m.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			buf := make([]byte, 0, maxFrame)
			for b.Loop() {
				if _, err := f.AppendBinary(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllocations holds the codec to what it costs: for a BNDUPD the body, and the client's hardware address.
func TestAllocations(t *testing.T) {
	want := map[string]float64{"bndupd": 2, "bndack": 1, "state": 1, "contact": 0, "connect": 3}
	buf := make([]byte, 0, maxFrame)
	for _, m := range benchFrames {
		in := octets(t, m.hex)
		var f Frame
		if got := testing.AllocsPerRun(100, func() { _ = f.UnmarshalBinary(in) }); got > want[m.name] {
			t.Errorf("%s: %v allocations to read, want %v", m.name, got, want[m.name])
		}
		if got := testing.AllocsPerRun(100, func() { _, _ = f.AppendBinary(buf) }); got > 0 {
			t.Errorf("%s: %v allocations to write, want none", m.name, got)
		}
	}
}

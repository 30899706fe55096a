package dhcp4test

import (
	"bytes"
	"os"
	"testing"
)

// FuzzCapture reads captures of any content. What is read is in the order of time and can be told.
func FuzzCapture(f *testing.F) {
	capture, err := os.ReadFile("testdata/fixed-host.pcap")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(capture)
	f.Add(capture[:200])
	f.Add(capture[:24])
	f.Fuzz(func(t *testing.T, b []byte) {
		moments, exchanges, err := readCapture(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(moments) == 0 || len(moments) != len(exchanges) {
			t.Fatalf("%d datagrams of clients, but %d exchanges", len(moments), len(exchanges))
		}
		for i, e := range exchanges {
			if e.At < 0 || e.At != moments[i].at || e.String() == "" {
				t.Fatalf("exchange %d is at %v: %v", i, e.At, e)
			}
		}
	})
}

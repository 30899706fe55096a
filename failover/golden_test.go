package failover

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var rewriteFrames = flag.Bool("rewrite-frames", false, "write what the codec makes of testdata/frames into those files")

// sample is a line of testdata/frames. isc.jsonl has messages of ISC dhcpd 4.4.3-P1, probe.jsonl what a script sent it
// to learn its answers, much of it faulty.
type sample struct {
	From  string `json:"from"`            // name of the capture
	N     int    `json:"n"`               // number of the message in it
	Hex   string `json:"hex"`             // the message
	Text  string `json:"text,omitempty"`  // what we read, times relative to the message's own; "" if Error
	Again string `json:"again,omitempty"` // what we write for it if that is not the message itself
	Error string `json:"error,omitempty"` // why we do not read it, or do not write it if there is a Text
}

func (s sample) octets(t testing.TB) []byte {
	b, err := hex.DecodeString(s.Hex)
	if err != nil {
		t.Fatalf("%s %d: %v", s.From, s.N, err)
	}
	return b
}

// samples returns the lines of a file of testdata/frames.
func samples(t testing.TB, name string) []sample {
	f, err := os.Open(filepath.Join("testdata", "frames", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return readSamples(t, f)
}

func readSamples(t testing.TB, r io.Reader) []sample {
	var all []sample
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return all
}

// judge fills in what the codec makes of s.
func (s sample) judge(t testing.TB) sample {
	s.Text, s.Again, s.Error = "", "", ""
	b := s.octets(t)
	var f Frame
	if err := f.UnmarshalBinary(b); err != nil {
		s.Error = err.Error()
		return s
	}
	s.Text = f.Relative(f.Time)
	again, err := f.MarshalBinary()
	if err != nil {
		s.Error = err.Error()
	} else if !bytes.Equal(again, b) {
		s.Again = hex.EncodeToString(again)
	}
	return s
}

func TestSamples(t *testing.T) {
	for _, name := range []string{"isc.jsonl", "probe.jsonl"} {
		t.Run(name, func(t *testing.T) {
			var made bytes.Buffer
			enc := json.NewEncoder(&made)
			enc.SetEscapeHTML(false)
			for _, want := range samples(t, name) {
				got := want.judge(t)
				if got != want && !*rewriteFrames {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
				if name == "isc.jsonl" && (got.Again != "" || got.Error != "") {
					t.Errorf("what ISC dhcpd sent is not what we would send: %+v", got)
				}
				if err := enc.Encode(got); err != nil {
					t.Fatal(err)
				}
			}
			if *rewriteFrames {
				if err := os.WriteFile(filepath.Join("testdata", "frames", name), made.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestCaptures runs over every message of every capture, where they are.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "shared", "fixtures", "*", "failover.jsonl"))
	if err != nil || len(files) == 0 {
		t.Skip("no captures here: testdata/frames has a sample of them")
	}
	total := 0
	for _, file := range files {
		capture := filepath.Base(filepath.Dir(file))
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var m struct {
				N    int
				Dir  string
				Msg  string
				XID  uint32
				Time int64
				Hex  string
			}
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			total++
			s := sample{From: capture, N: m.N, Hex: m.Hex}.judge(t)
			if scripted(capture, m.Dir) {
				continue // TestSamples has what matters of these; here they must not panic
			}
			if s.Error != "" || s.Again != "" {
				t.Errorf("%s %d %s: %+v", capture, m.N, m.Msg, s)
				continue
			}
			var got Frame
			if err := got.UnmarshalBinary(s.octets(t)); err != nil {
				t.Fatal(err)
			}
			if got.Body.Type().String() != m.Msg || got.XID != m.XID || got.Time.Unix() != m.Time {
				t.Errorf("%s %d: got %v, want %s xid %d time %d", capture, m.N, &got, m.Msg, m.XID, m.Time)
			}
		}
		if lines.Err() != nil {
			t.Fatal(lines.Err())
		}
		f.Close()
	}
	t.Logf("%d messages in %d captures", total, len(files))
}

// scripted reports whether a script, not ISC dhcpd, sent what went in that direction.
func scripted(capture, dir string) bool {
	if !strings.HasPrefix(capture, "h-probe-") {
		return false
	}
	return (dir == "s1>s2") != (capture == "h-probe-connectack")
}

// TestCutShort cuts good messages anywhere: as they are, and with a length that hides the cut.
func TestCutShort(t *testing.T) {
	all := append(samples(t, "isc.jsonl"), samples(t, "probe.jsonl")...)
	for _, s := range all {
		b := s.octets(t)
		var whole Frame
		if whole.UnmarshalBinary(b) != nil {
			continue
		}
		ends := map[int]bool{headerSize: true} // where an option ends
		for at := headerSize; at < len(b); {
			at += 4 + int(b[at+2])<<8 + int(b[at+3])
			ends[at] = true
		}
		for n := range b {
			f := Frame{XID: 7}
			err := f.UnmarshalBinary(b[:n:n])
			var bad *FrameError
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &bad) || bad.Octet != n {
				t.Fatalf("%x: %d octets of %d: %v", b, n, len(b), err)
			}
			if !reflect.DeepEqual(f, Frame{XID: 7}) {
				t.Fatalf("%x: %d octets of %d: frame was touched: %v", b, n, len(b), &f)
			}
			if n < headerSize {
				continue
			}
			cut := bytes.Clone(b[:n])
			cut[0], cut[1] = byte(n>>8), byte(n)
			err = f.UnmarshalBinary(cut)
			if ends[n] != (err == nil) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%x: %v", cut, err)
			}
		}
	}
}

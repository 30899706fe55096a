package leasefile

import (
	"os"
	"path/filepath"
	"testing"
)

// A file is forgotten when it has no name, and nobody else has it open.
func TestForgotten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	opened := func(flag int) osFile {
		f, err := osFS{}.OpenFile(name, flag, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f.(osFile)
	}
	f := opened(os.O_CREATE)
	if f.Forgotten() {
		t.Error("a file with a name is forgotten")
	}
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if f.Forgotten() {
		t.Error("a file that somebody reads is forgotten")
	}
	reader.Close()
	if !f.Forgotten() {
		t.Skip("this file system gives no leases")
	}
}

// Command testlog reads what go test -json writes and prints the little of it that people read: a line for each package,
// and all that failing tests said. A test that was skipped and is not in the given file is a failure too.
//
//	go test -json ./... | go run ./.ci/testlog -skips .ci/skips -module github.com/tandem-dhcp/tandem
//
// Without -skips tests may be skipped; they are counted then.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxLines bounds what is printed of one failing test: its last lines.
const maxLines = 200

// An event is a line of go test -json (go doc test2json, go help buildjson).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string
	Output     string
}

// A testKey names a test.
type testKey struct{ pkg, test string }

func main() {
	skips := flag.String("skips", "", "`file` of the tests that may be skipped")
	module := flag.String("module", "", "`path` that is cut from package paths to compare them with the file")
	flag.Parse()
	var allowed map[testKey]bool
	var err error
	if *skips != "" {
		allowed, err = readSkips(*skips)
	}
	if err == nil {
		err = run(os.Stdin, os.Stdout, *module+"/", allowed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
}

// readSkips reads lines of package, test and reason.
func readSkips(file string) (map[testKey]bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	allowed := make(map[testKey]bool)
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) < 3 {
			return nil, fmt.Errorf("%s:%d: want a package, a test and a reason", file, i+1)
		}
		allowed[testKey{words[0], words[1]}] = true
	}
	return allowed, nil
}

// run reads events until the end. A nil allowed allows every skip. The error says what of it all is a failure.
func run(r io.Reader, w io.Writer, prefix string, allowed map[testKey]bool) error {
	said := make(map[testKey][]string) // by tests that have not ended
	passed, skipped := 0, 0
	var failed, unexpected []string
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var ev event
			if json.Unmarshal(line, &ev) != nil { // what the go command says outside of any package
				fmt.Fprintf(w, "%s", line)
			}
			key := testKey{ev.Package, ev.Test}
			switch {
			case ev.Action == "build-output":
				fmt.Fprint(w, ev.Output)
			case ev.Action == "output" && ev.Test == "":
				if ev.Output != "PASS\n" && ev.Output != "FAIL\n" {
					fmt.Fprint(w, ev.Output)
				}
			case ev.Action == "output":
				if !strings.HasPrefix(ev.Output, "=== ") { // RUN, PAUSE, CONT
					said[key] = append(said[key], ev.Output)
				}
			case ev.Action == "fail" && ev.Test == "":
				failed = append(failed, ev.Package)
				for key, out := range said { // tests that never ended: a panic, or the time was over
					if key.pkg == ev.Package {
						show(w, out)
					}
				}
			case ev.Action == "fail":
				show(w, said[key])
				delete(said, key)
			case ev.Action == "pass" && ev.Test != "":
				passed++
				delete(said, key)
			case ev.Action == "skip" && ev.Test != "":
				skipped++
				if allowed != nil && !allowed[testKey{strings.TrimPrefix(ev.Package, prefix), ev.Test}] {
					unexpected = append(unexpected, ev.Package+" "+ev.Test)
					show(w, said[key])
				}
				delete(said, key)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "%d tests passed, %d were skipped\n", passed, skipped)
	switch {
	case len(failed) > 0:
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	case len(unexpected) > 0:
		slices.Sort(unexpected)
		return fmt.Errorf("skipped, though everything is required:\n  %s", strings.Join(unexpected, "\n  "))
	case passed == 0:
		return errors.New("no test ran")
	}
	return nil
}

// show prints what a test said.
func show(w io.Writer, out []string) {
	if len(out) > maxLines {
		fmt.Fprintf(w, "    (%d lines before these are not shown)\n", len(out)-maxLines)
		out = out[len(out)-maxLines:]
	}
	for _, line := range out {
		fmt.Fprint(w, line)
	}
}

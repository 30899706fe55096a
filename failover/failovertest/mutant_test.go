package failovertest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var mutants = flag.String("mutants", "", "TestMutants: all, commit for those that run with every commit, or names of those to run, parted by commas")

// mutant is a small sabotage of the core. It is caught if some promise is then seen broken.
type mutant struct {
	name      string
	file      string // from the root of the module
	old, new  string // old is in the file once
	everytime bool   // of those that run with every commit
	same      string // why it changes no promise; it is not run
}

// module is the root of the module, from this folder.
const module = "../.."

// TestMutants sabotages the core, one line at a time, and asks that the worlds, the catalogue or the puppet notice:
//
//	go test ./failover/failovertest -run TestMutants -timeout 2h -args -mutants all
//
// Without -mutants it only asks that each can be applied, since a test binary must be built for each.
func TestMutants(t *testing.T) {
	names := make(map[string]bool)
	for _, m := range mutantList {
		if names[m.name] {
			t.Errorf("two mutants are named %s", m.name)
		}
		names[m.name] = true
		path, text, err := m.apply()
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if m.same != "" || !m.chosen(*mutants) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			by, took := m.run(t, path, text)
			if by == "" {
				t.Errorf("lives: %s: %q for %q", m.file, m.new, m.old)
			}
			t.Logf("%v: %s", took.Round(100*time.Millisecond), by)
		})
	}
	if len(mutantList) < 60 {
		t.Errorf("%d mutants, want 60", len(mutantList))
	}
}

// chosen reports whether -mutants asks for m.
func (m mutant) chosen(which string) bool {
	switch which {
	case "":
		return false
	case "all":
		return true
	case "commit":
		return m.everytime
	}
	return slices.Contains(strings.Split(which, ","), m.name)
}

// apply returns the sabotaged text of the file, and its path.
func (m mutant) apply() (path, text string, err error) {
	if path, err = filepath.Abs(filepath.Join(module, m.file)); err != nil {
		return "", "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	if n := strings.Count(string(b), m.old); n != 1 {
		return "", "", fmt.Errorf("%s has %q %d times, want once", m.file, m.old, n)
	}
	return path, strings.Replace(string(b), m.old, m.new, 1), nil
}

// run tests the module with the sabotage, and returns what noticed it, or nothing.
func (m mutant) run(t *testing.T, path, text string) (by string, took time.Duration) {
	t.Helper()
	dir := t.TempDir()
	file, overlay, binary := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutant.test")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: file}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{file: []byte(text), overlay: list} {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, "-overlay", overlay, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("does not build: %v\n%s", err, out)
	}
	began := time.Now()
	for _, args := range [][]string{
		{"TestCatalogue$"}, {"TestFound$"}, {"TestPuppet$"}, {"TestModel$"}, {"TestISC$"},
		{"TestModel$", "-from", "61", "-seeds", strconv.Itoa(usualSeeds - 60)}, // what is left of what a commit is tried with
	} {
		tests := args[0]
		args = append([]string{"-test.failfast", "-test.timeout", "30m", "-bare", "-test.run"}, args...)
		out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
		if err == nil {
			continue
		}
		by := "fails"
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "broken (seed") || strings.Contains(line, "_test.go:") && by == "fails" || strings.HasPrefix(line, "panic: ") {
				by = strings.TrimSpace(line)
				if strings.Contains(line, "broken (seed") {
					break
				}
			}
		}
		return fmt.Sprintf("%s %.160s", strings.TrimSuffix(tests, "$"), by), time.Since(began)
	}
	return "", time.Since(began)
}

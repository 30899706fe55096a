package failover_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts of testdata say now into them; then read the diff")

// TestScripts runs testdata/NN-name.txt, a course in the protocol. A script is a comment, then one or more blocks: lines
// of commands, a line of four dashes, and what came of it up to an empty line. See stage.run for the commands, and
// stage.line for how to read the rest:
//
//	# The first lease is only MCLT long.
//	grant primary a want=72h
//	----
//	0s      primary writes 10.0.0.10 free->active a until=+1h sent=+72h30m unacked
//	        primary -> secondary BNDUPD 10.0.0.10 ACTIVE client=a expiry=+1h potential=+72h30m
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/[0-9][0-9]-*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Errorf("testdata has %d scripts, want the whole course", len(files))
	}
	for i, file := range files {
		if want := fmt.Sprintf("%02d-", i+1); !strings.HasPrefix(filepath.Base(file), want) {
			t.Errorf("%s: the course has a gap before it, want %s", file, want)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := runScript(string(text))
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch {
			case got == string(text):
			case *rewrite:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s: %s\n-rewrite writes what it says now", file, firstDifference(got, string(text)))
			}
		})
	}
}

// firstDifference names the first line in which two texts differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	at := func(lines []string, i int) string {
		if i < len(lines) {
			return lines[i]
		}
		return "(the end)"
	}
	for i := range max(len(g), len(w)) {
		if at(g, i) != at(w, i) {
			return fmt.Sprintf("line %d:\ngot  %s\nwant %s", i+1, at(g, i), at(w, i))
		}
	}
	return "equal"
}

// comment matches how each script begins: with a title that has its number, and an explanation.
var comment = regexp.MustCompile(`^# \d\d [^\n]+\n#\n(# [^\n]+\n){2,}`)

// runScript runs a script and returns it with what came of its commands now.
func runScript(text string) (string, error) {
	if !comment.MatchString(text) {
		return "", fmt.Errorf("line 1: want a comment: number and title, an empty line, and an explanation of two lines at least")
	}
	s := new(stage)
	var b strings.Builder
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		// Comments and empty lines stay; then commands.
		first := i
		for i < len(lines) && lines[i] != "----" {
			line := lines[i]
			i++
			b.WriteString(line + "\n")
			words := strings.Fields(line)
			if len(words) == 0 || words[0][0] == '#' {
				continue
			}
			if err := s.run(words); err != nil {
				return "", fmt.Errorf("line %d: %q: %w", i, line, err)
			}
		}
		if i == len(lines) {
			if out := s.take(); out != "" {
				return "", fmt.Errorf("line %d: commands without a line of dashes behind them", first+1)
			}
			break
		}
		b.WriteString("----\n" + s.take())
		for i++; i < len(lines) && lines[i] != ""; {
			i++ // what was said last time
		}
	}
	return b.String(), nil
}

func TestScriptErrors(t *testing.T) {
	const head = "# 01 A title\n#\n# Of two\n# lines.\n\n"
	for _, c := range []struct{ name, text, want string }{
		{"no comment", "new\n----\n", "line 1: want a comment"},
		{"no such command", head + "new\ndance\n----\n", `line 7: "dance": no such command`},
		{"no such server", head + "new\nstart tertiary\n----\n", `line 7: "start tertiary": "tertiary" is neither primary nor secondary`},
		{"before new", head + "connect\n----\n", `line 6: "connect": begin with new or normal`},
		{"no dashes", head + "new\nstart\nleases\n", "without a line of dashes"},
		{"not a duration", head + "new\npass week\n----\n", `line 7: "pass week"`},
		{"no such argument", head + "new color=red\n----\n", `line 6: "new color=red": no argument "color"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := runScript(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

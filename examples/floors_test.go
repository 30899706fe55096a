// Package examples_test holds the test of what holds the packages together: which of them imports which.
package examples_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root     = ".."
	module   = "github.com/tandem-dhcp/tandem"
	planFile = "testdata/floors.txt"
)

// folders in the order in which each knows only itself and those before it, whatever the floors would allow.
var folders = []string{"lease", "pool", "failover", "dhcp4", "examples"}

// packetLibraries are unknown to the ledger, the desk and the door to the partner, which work on addresses, octets and
// times. Our own comes first.
var packetLibraries = []string{
	module + "/dhcp4",
	"github.com/insomniacslk/dhcp",
	"github.com/google/gopacket",
	"github.com/gopacket/gopacket",
}

// A room is a package: its floor, and the packages of this module that it imports.
type room struct {
	floor   int
	imports []string // sorted; of files of every system
	tests   []string // sorted; what its tests import besides, without itself
}

// line is the room as planFile has it.
func (r room) line(name string) string {
	words := append([]string{strconv.Itoa(r.floor), name}, r.imports...)
	if len(r.tests) > 0 {
		words = append(append(words, "test:"), r.tests...)
	}
	return strings.Join(words, " ")
}

// TestFloors compares the imports of the packages with the list of those that are allowed.
func TestFloors(t *testing.T) {
	text, err := os.ReadFile(planFile)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := parsePlan(string(text))
	if err != nil {
		t.Fatalf("%s: %v", planFile, err)
	}
	house, err := survey(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range compare(plan, house) {
		t.Error(problem)
	}
	for _, problem := range breaches(plan) {
		t.Errorf("%s: %s", planFile, problem)
	}
}

// TestNoPacketsBelowTheDoor asks the go command for all that the packages import, by whatever way.
func TestNoPacketsBelowTheDoor(t *testing.T) {
	for _, folder := range []string{"lease", "pool", "failover"} {
		cmd := exec.Command("go", "list", "-deps", "./"+folder+"/...")
		cmd.Dir = root
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, said.String())
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, module+"/"+folder) {
			t.Fatalf("%s does not know the folder %s:\n%s", cmd, folder, out)
		}
		for _, dep := range deps {
			if isPacketLibrary(dep) {
				t.Errorf("a package of the folder %s imports %s, by way of others perhaps (go list -deps ./%s/...).\n"+
					"It must not know DHCP packets: hand it addresses, octets and times.", folder, dep, folder)
			}
		}
	}
}

func isPacketLibrary(importPath string) bool {
	return slices.ContainsFunc(packetLibraries, func(lib string) bool {
		return importPath == lib || strings.HasPrefix(importPath, lib+"/")
	})
}

// parsePlan reads lines of "floor package import... [test: import...]". Lines that begin with # are comments.
func parsePlan(text string) (map[string]room, error) {
	plan := make(map[string]room)
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) < 2 {
			return nil, fmt.Errorf("line %d: %q: want a floor and a package", i+1, line)
		}
		floor, err := strconv.Atoi(words[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: the floor: %w", i+1, err)
		}
		if _, twice := plan[words[1]]; twice {
			return nil, fmt.Errorf("line %d: %s is there already", i+1, words[1])
		}
		r := room{floor: floor, imports: words[2:]}
		if at := slices.Index(r.imports, "test:"); at >= 0 {
			r.imports, r.tests = r.imports[:at], r.imports[at+1:]
		}
		slices.Sort(r.imports)
		slices.Sort(r.tests)
		plan[words[1]] = r
	}
	return plan, nil
}

// survey reads the imports of all packages below a folder, nested modules and files for other systems included. The
// floors of the rooms are not set.
func survey(files fs.FS) (map[string]room, error) {
	house := make(map[string]room)
	err := fs.WalkDir(files, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && (d.Name() == "testdata" || strings.ContainsAny(d.Name()[:1], "._")):
			return fs.SkipDir
		case d.IsDir() || path.Ext(file) != ".go" || path.Dir(file) == ".":
			return nil
		}
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name, isTest := path.Dir(file), strings.HasSuffix(file, "_test.go")
		r := house[name]
		for _, spec := range parsed.Imports {
			importPath, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			switch of, ours := strings.CutPrefix(importPath, module+"/"); {
			case !ours || of == name:
			case isTest:
				r.tests = append(r.tests, of)
			default:
				r.imports = append(r.imports, of)
			}
		}
		house[name] = r
		return nil
	})
	for name, r := range house {
		slices.Sort(r.imports)
		r.imports = slices.Compact(r.imports)
		slices.Sort(r.tests)
		r.tests = slices.DeleteFunc(slices.Compact(r.tests), func(of string) bool { return slices.Contains(r.imports, of) })
		house[name] = r
	}
	return house, err
}

// compare returns where plan and house differ, in words that say what to do.
func compare(plan, house map[string]room) []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(house)) {
		is := house[name]
		planned, known := plan[name]
		is.floor = planned.floor
		switch {
		case !known:
			is.floor = lowest(plan, is)
			problems = append(problems, fmt.Sprintf("package %s is not in %s. If it is meant to be, add this line\n\t%s\n"+
				"with the floor on which it belongs; that is the lowest which its imports allow.", name, planFile, is.line(name)))
		case !slices.Equal(planned.imports, is.imports) || !slices.Equal(planned.tests, is.tests):
			problems = append(problems, fmt.Sprintf("package %s imports others than %s allows. Either take the import out, or, if the "+
				"house is better with it, change the line\n\t%s\nto\n\t%s", name, planFile, planned.line(name), is.line(name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(plan)) {
		if _, there := house[name]; !there {
			problems = append(problems, fmt.Sprintf("package %s is gone: take its line out of %s", name, planFile))
		}
	}
	return problems
}

// lowest returns the floor above all that a room imports.
func lowest(plan map[string]room, r room) int {
	floor := 0
	for _, of := range r.imports {
		floor = max(floor, plan[of].floor+1)
	}
	return floor
}

// breaches returns what in the plan itself is against the rules.
func breaches(plan map[string]room) []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(plan)) {
		r := plan[name]
		for _, of := range slices.Concat(r.imports, r.tests) {
			above, known := plan[of]
			forTests := !slices.Contains(r.imports, of) && isTestKit(of)
			switch {
			case !known:
				problems = append(problems, fmt.Sprintf("%s imports %s, which has no line", name, of))
			case forTests: // a kit for tests may be imported by tests of any floor
			case above.floor >= r.floor:
				problems = append(problems, fmt.Sprintf("%s on floor %d may not import %s on floor %d: an import goes down a floor or more, "+
					"never up or along", name, r.floor, of, above.floor))
			case rank(of) > rank(name):
				problems = append(problems, fmt.Sprintf("%s may not import %s: of the folders %v each knows only itself and those before it",
					name, of, folders))
			}
		}
		if rank(name) < 0 {
			problems = append(problems, fmt.Sprintf("%s is in none of the folders %v", name, folders))
		}
	}
	return problems
}

// isTestKit reports whether a package is made for tests, as net/http/httptest is.
func isTestKit(name string) bool { return strings.HasSuffix(path.Base(name), "test") }

// rank returns the place of a package's folder in folders, or -1.
func rank(name string) int {
	folder, _, _ := strings.Cut(name, "/")
	return slices.Index(folders, folder)
}

// TestFloorsAreGuarded builds on sand, on purpose.
func TestFloorsAreGuarded(t *testing.T) {
	const good = "1 lease\n1 dhcp4\n2 pool lease\n2 lease/leasetest lease\n3 failover lease pool\n4 dhcp4/dora dhcp4 lease pool\n"
	tests := []struct {
		name string
		plan string
		file string // a Go file that imports
		what string // this
		want string // what the problem says; "" if there is none
	}{
		{"nothing is new", good, "pool/pool.go", module + "/lease", ""},
		{"a new import", good, "dhcp4/dora/server.go", module + "/failover", "4 dhcp4/dora dhcp4 failover lease pool"},
		{"a new import for another system", good, "pool/pool_windows.go", module + "/dhcp4", "2 pool dhcp4 lease"},
		{"a new import in a test", good, "pool/pool_test.go", module + "/lease/leasetest", "2 pool lease test: lease/leasetest"},
		{"a new package", good, "failover/admin/admin.go", module + "/failover", "4 failover/admin failover"},
		{"a package is gone", good + "5 dhcp4/isc\n", "pool/pool.go", "fmt", "dhcp4/isc is gone"},
		{"no concern of ours", good, "pool/pool.go", "net/netip", ""},
		{"test data are no package", good, "pool/testdata/x/x.go", module + "/dhcp4", ""},
		{"up", good + "0 dhcp4/internal/x dhcp4\n", "", "", "dhcp4/internal/x on floor 0 may not import dhcp4 on floor 1"},
		{"along", strings.Replace(good, "1 dhcp4\n", "1 dhcp4 lease\n", 1), "", "", "never up or along"},
		{"a folder knows a later one", strings.Replace(good, "3 failover lease", "3 failover dhcp4 lease", 1), "", "", "failover may not import dhcp4"},
		{"a test kit is no way around", strings.Replace(good, "2 pool lease", "2 pool lease lease/leasetest", 1), "", "", "pool on floor 2 may not import lease/leasetest"},
		{"a folder of its own", good + "0 util\n", "", "", "util is in none of the folders"},
		{"unknown", good + "5 dhcp4/isc dhcp4/nowhere\n", "", "", "dhcp4/nowhere, which has no line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan, err := parsePlan(tt.plan)
			if err != nil {
				t.Fatal(err)
			}
			problems := breaches(plan)
			if tt.file != "" {
				problems = append(problems, compare(plan, built(t, good, tt.file, tt.what))...)
			}
			got := strings.Join(problems, "\n")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, lib := range []string{"github.com/google/gopacket/layers", module + "/dhcp4"} {
		if !isPacketLibrary(lib) {
			t.Errorf("%s is a packet library", lib)
		}
	}
	if lib := "golang.org/x/net/ipv4"; isPacketLibrary(lib) {
		t.Errorf("%s is no packet library", lib)
	}
}

// built surveys a module made as a plan says, with one file more.
func built(t *testing.T, plan, file, what string) map[string]room {
	t.Helper()
	dir := t.TempDir()
	write := func(file string, imports ...string) {
		var b strings.Builder
		b.WriteString("package p\n")
		for _, of := range imports {
			fmt.Fprintf(&b, "import _ %q\n", of)
		}
		file = filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	rooms, err := parsePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range rooms {
		var imports []string
		for _, of := range r.imports {
			imports = append(imports, module+"/"+of)
		}
		write(name+"/doc.go", imports...)
	}
	write(file, what)
	house, err := survey(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return house
}

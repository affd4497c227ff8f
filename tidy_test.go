package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// bans says which imports a folder may not have, and why. A folder stands for
// everything below it; tests are exempt, since they bring the parts together.
var bans = []struct {
	folder string
	banned []string
	why    string
}{
	{
		"reactor",
		[]string{"lars/backends", "lars/bench", "lars/system", "lars/simulator", "lars/internal"},
		"reactor is a public library: it knows no backend and none of its users",
	},
	{
		"reactor/frame",
		[]string{"lars/", "net", "time", "os"},
		"the codec is pure",
	},
	{
		"reactor/timer",
		[]string{"lars/", "net", "os"},
		"timers take now as an argument",
	},
	{
		"reactor/driver",
		[]string{"net/http", "lars/reactor/frame"},
		"a backend moves bytes: it knows neither frames nor messages",
	},
	{
		"backends/epoll",
		[]string{"net/http", "lars/backends/std", "lars/backends/netpoll", "lars/backends/evio", "lars/backends/internal/serial", "github.com/"},
		"our own backend stands on system calls alone",
	},
	{
		"backends/internal/linger",
		[]string{"lars/", "net", "github.com/"},
		"it is about a descriptor, whoever's it is",
	},
	{
		"backends/std",
		[]string{"github.com/", "lars/backends/epoll", "lars/backends/netpoll", "lars/backends/evio"},
		"a backend knows the seam and its one library",
	},
	{
		"backends/netpoll",
		[]string{"github.com/tidwall/", "lars/backends/epoll", "lars/backends/evio"},
		"a backend knows the seam and its one library",
	},
	{
		"backends/evio",
		[]string{"github.com/cloudwego/", "lars/backends/epoll", "lars/backends/netpoll"},
		"a backend knows the seam and its one library",
	},
	{
		"backends/sim",
		[]string{"net", "github.com/", "golang.org/", "math/rand", "lars/backends"},
		"a world in memory: no network, no system calls, and no randomness but its own",
	},
	{
		"bench",
		[]string{"lars/backends"},
		"the lab measures backends from outside; only main.go names them",
	},
	{
		"bench/load",
		[]string{"lars/backends", "lars/reactor/driver", "net/http"},
		"the generator has its own sockets, never those under test",
	},
	{
		"bench/capacity",
		[]string{"lars/bench/run", "lars/bench/cli", "net", "os"},
		"a search decides; others start servers and make the load",
	},
	{
		"bench/fleet",
		[]string{"lars/bench/run", "lars/bench/cli", "lars/bench/record", "lars/system", "net/http"},
		"workers make load; what is measured and how it is told is for others",
	},
	{
		"bench/pace",
		[]string{"lars/", "net"},
		"schedules are pure",
	},
	{
		"bench/compare",
		[]string{"lars/bench/cli", "lars/bench/gate"},
		"a comparison is measured without knowing who asks for it",
	},
	{
		"bench/refs",
		[]string{"lars/"},
		"a commit is built by git and go alone",
	},
	{
		"bench/gate",
		[]string{"lars/bench/load", "lars/bench/run", "lars/bench/compare", "net", "os"},
		"the gate decides: epochs come from a function that it is given",
	},
	{
		"bench/stats",
		[]string{"lars/", "net", "os", "time"},
		"statistics are pure",
	},
	{
		"bench/scenario",
		[]string{"lars/bench", "lars/system", "lars/reactor", "net"},
		"a scenario is a declaration: it knows neither servers nor flags",
	},
	{
		"bench/report",
		[]string{"net", "os", "lars/bench/run", "lars/bench/load", "lars/bench/proc"},
		"a page shows what the files of a result hold, and nothing else",
	},
	{
		"bench/results",
		[]string{"net", "lars/bench/run", "lars/bench/load", "lars/bench/proc"},
		"what was found follows from the files of results, and from nothing else",
	},
	{
		"bench/plot",
		[]string{"lars/", "net", "os", "time"},
		"drawings are pure",
	},
	{
		"system/balance",
		[]string{"net", "os", "database/", "google.golang.org/", "lars/reactor", "lars/system/larspb", "lars/system/store"},
		"decisions are pure: now comes in, effects go out",
	},
	{
		"system/route",
		[]string{"net", "os", "database/", "google.golang.org/", "lars/reactor", "lars/system/larspb", "lars/system/store"},
		"decisions are pure: now comes in, effects go out",
	},
	{
		"system/tally",
		[]string{"net", "os", "database/", "google.golang.org/", "lars/reactor", "lars/system/larspb", "lars/system/store"},
		"decisions are pure: now comes in, effects go out",
	},
	{
		"system/store/memory",
		[]string{"net", "os", "database/", "math/rand", "lars/reactor", "lars/system/store/sqlite", "lars/system/store/mysql"},
		"a store for simulations does the same in every run",
	},
	{
		"simulator/workload",
		[]string{"net", "os", "math/rand", "lars/"},
		"workloads are pure and repeat for ever: all chance comes from a seed of their own",
	},
	{
		"simulator/fault",
		[]string{"net", "os", "math/rand", "lars/reactor", "lars/backends", "lars/system"},
		"plans are pure: who runs one carries it out",
	},
	{
		"simulator/check",
		[]string{"net", "os", "math/rand", "lars/reactor", "lars/backends", "lars/simulator/"},
		"watchers are pure: now comes in, violations go to a log",
	},
	{
		"simulator/outcome",
		[]string{"net", "os", "math/rand", "lars/reactor", "lars/backends", "lars/system", "lars/simulator/virtual", "lars/simulator/live"},
		"sums are pure, and the same for live runs and virtual ones",
	},
	{
		"simulator/agree",
		[]string{"net", "os", "lars/backends", "lars/simulator/live"},
		"judgements are pure: who runs something live hands in what it found",
	},
	{
		"simulator/live",
		[]string{"lars/backends", "lars/simulator/virtual", "lars/simulator/cli"},
		"a live run is given its backend, and never simulates one",
	},
	{
		"simulator/relay",
		[]string{"lars/"},
		"a relay moves bytes: it knows neither plans nor messages",
	},
	{
		"simulator/virtual",
		[]string{"net", "os", "math/rand", "lars/backends/epoll", "lars/backends/std", "lars/backends/netpoll", "lars/backends/evio"},
		"virtual time knows no clock, no socket and no chance but the seed's",
	},
	{
		"simulator/study",
		[]string{"net", "os", "math/rand", "lars/reactor", "lars/backends", "lars/simulator/virtual", "lars/simulator/cli", "lars/simulator/fault"},
		"the study is pure: a table follows from scenarios, policies and seeds alone",
	},
	{
		"internal",
		[]string{"lars/reactor", "lars/backends", "lars/bench", "lars/system"},
		"what all commands share knows none of them",
	},
}

func TestImports(t *testing.T) {
	for _, ban := range bans {
		if _, err := os.Stat(ban.folder); os.IsNotExist(err) {
			continue // not built yet
		}
		for file, imports := range importsBelow(t, ban.folder) {
			for _, path := range imports {
				for _, banned := range ban.banned {
					hit := path == banned || strings.HasPrefix(path, strings.TrimSuffix(banned, "/")+"/")
					hit = hit && path != "net/netip" // addresses, no network
					own := strings.HasPrefix(path, "lars/"+ban.folder)
					if hit && !own {
						t.Errorf("%s imports %s: %s", file, path, ban.why)
					}
				}
			}
		}
	}
}

// TestSimIsRepeatable: backends/sim starts no goroutine and reads no clock, or
// a run could not be repeated from its seed.
func TestSimIsRepeatable(t *testing.T) {
	banned := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	files, err := filepath.Glob("backends/sim/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files of backends/sim", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", file)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(banned, n.Sel.Name) {
					t.Errorf("%s uses time.%s", file, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// importsBelow returns the imports of each file that is not a test.
func importsBelow(t *testing.T, folder string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			all[path] = append(all[path], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPackageComments: every package says what it is for.
func TestPackageComments(t *testing.T) {
	commented := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || slices.Contains([]string{"bin", "out", "testdata"}, d.Name())) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		commented[dir] = commented[dir] || f.Doc != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range commented {
		if !ok {
			t.Errorf("package in %s has no package comment", dir)
		}
	}
}

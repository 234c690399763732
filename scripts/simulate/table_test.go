package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each rule's edits fit the source as it is, and the scenario that it names is
// there.
func TestTheTableFitsTheSource(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	names := map[string]bool{}
	all := allRules()
	for i := range all {
		r := &all[i]
		if names[r.name] {
			t.Errorf("two rules are called %q", r.name)
		}
		names[r.name] = true
		for _, e := range r.edits {
			text, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				t.Errorf("%s: %v", r.name, err)
				continue
			}
			if n := strings.Count(string(text), e.old); n != 1 && len(r.edits) == 1 {
				t.Errorf("%s: %s has %d times\n%s", r.name, e.file, n, e.old)
			}
		}
		if r.test.name != "" && !tested(t, filepath.Join(root, r.test.pkg), r.test.name) {
			t.Errorf("%s: %s has no test %s", r.name, r.test.pkg, r.test.name)
		}
	}
}

func tested(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(") {
			return true
		}
	}
	return false
}

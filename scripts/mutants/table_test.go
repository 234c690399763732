package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each change fits the source as it is, changes something, and has a name of its
// own in its package.
func TestTheTableFitsTheSource(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	all := allMutants()
	for i := range all {
		m := &all[i]
		if key := m.pkg() + ": " + m.name; names[key] {
			t.Errorf("two changes are called %q", key)
		} else {
			names[key] = true
		}
		text, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: %s has %d times\n%s", m.name, m.file, n, m.old)
		}
		if m.old == m.new {
			t.Errorf("%s: nothing changes", m.name)
		}
	}
}

// Package overlay plants changes in the sources for one build: the compiler
// reads edited copies through `go build -overlay`, the sources stay as they
// are. scripts/simulate and scripts/mutants use it.
package overlay

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Edit replaces a text that a file has exactly once.
type Edit struct{ File, Old, New string }

// Write puts edited copies of the files into dir, and returns the file that
// names them for the -overlay flag. A later edit of a file sees the earlier.
func Write(dir string, edits []Edit) (string, error) {
	replace := map[string]string{}
	for i, e := range edits {
		source, err := filepath.Abs(e.File)
		if err != nil {
			return "", fmt.Errorf("overlay: %w", err)
		}
		from, edited := source, replace[source]
		if edited != "" {
			from = edited
		} else {
			edited = filepath.Join(dir, fmt.Sprintf("edited%d.go", i))
			replace[source] = edited
		}
		if err := e.apply(from, edited); err != nil {
			return "", fmt.Errorf("overlay: %w", err)
		}
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("overlay: %w", err)
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

// apply writes the edited text of one file to another.
func (e *Edit) apply(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.Old); n != 1 {
		return fmt.Errorf("%s has the text %d times, want once: the table is out of date: %q", e.File, n, e.Old)
	}
	return os.WriteFile(to, []byte(strings.Replace(string(text), e.Old, e.New, 1)), 0o600)
}

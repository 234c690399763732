package overlay_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-io/holdfast/scripts/internal/overlay"
)

// Two edits of one file end in one copy, and the source stays as it is.
func TestEditsOfOneFileAddUp(t *testing.T) {
	t.Parallel()
	source, dir := sourceFile(t, "one two three"), t.TempDir()
	path, err := overlay.Write(dir, []overlay.Edit{
		{File: source, Old: "one", New: "1"},
		{File: source, Old: "1 two", New: "1 2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var written struct{ Replace map[string]string }
	if err := json.Unmarshal(read(t, path), &written); err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, written.Replace[source])); got != "1 2 three" {
		t.Errorf("the edited copy holds %q", got)
	}
	if got := string(read(t, source)); got != "one two three" {
		t.Errorf("the source holds %q", got)
	}
}

// An edit whose text is gone, or is no longer the only one, is an error: it
// would plant nothing, or something else.
func TestAnEditMustFitExactlyOnce(t *testing.T) {
	t.Parallel()
	source := sourceFile(t, "one two two")
	for _, old := range []string{"three", "two"} {
		if _, err := overlay.Write(t.TempDir(), []overlay.Edit{{File: source, Old: old, New: "x"}}); err == nil {
			t.Errorf("the edit of %q is no error", old)
		}
	}
}

func sourceFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source.go")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

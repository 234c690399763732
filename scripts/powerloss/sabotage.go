package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/holdfast-io/holdfast/scripts/internal/overlay"
)

// sabotage breaks one thing that keeps data durable. A run with it must notice.
type sabotage struct {
	name  string
	lie   func(path string) bool // whose fsync does nothing
	edits []overlay.Edit         // or what is different in the program
	// restore is how often coordinators come from a backup; 0: never. What they have
	// on their disks makes up for what nodes have not, and the other way round.
	restore int
}

// matching lies about files, or directories, by their path below a process's own
// directory.
func matching(patterns ...string) func(path string) bool {
	return func(full string) bool {
		_, below, _ := strings.Cut(full, "/")
		for _, pattern := range patterns {
			if ok, err := path.Match(pattern, below); err == nil && ok {
				return true
			}
		}
		return false
	}
}

var sabotages = []sabotage{
	{name: "log", lie: matching("log/*.wal")},
	{name: "directories", lie: func(full string) bool { return strings.HasSuffix(full, "/") }},
	// The records of adopted epochs are in the same log as everything else.
	{name: "epochs", restore: 2, edits: []overlay.Edit{{File: "dataplane/storage/writer.go",
		Old: "func (w *logWriter) add(r record) {\n", New: "func (w *logWriter) add(r record) {\n	if r.kind == adoptedRecord {\n		r = record{kind: quietRecord}\n	}\n"}}},
	{name: "partitions", lie: matching("partitions/*.db")},
	{name: "raft", lie: matching("raft.db")},
	{name: "store", lie: matching("store.json*")},
}

func sabotageNames() string {
	var names []string
	for _, s := range sabotages {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// sabotages runs with one sabotage, or each. All must be noticed.
func (c config) sabotages(ctx context.Context) (code int, err error) {
	known := false
	for i := range sabotages {
		s := &sabotages[i]
		if c.sabotage != s.name && c.sabotage != "all" {
			continue
		}
		known = true
		noticed, err := c.sabotaged(ctx, s)
		switch {
		case err != nil:
			return 2, err
		case !noticed:
			code = 1
		}
	}
	if !known {
		return 2, fmt.Errorf("-sabotage %q: want all or one of %s", c.sabotage, sabotageNames())
	}
	return code, ctx.Err()
}

// sabotaged reports whether a run with the sabotage noticed it.
func (c config) sabotaged(ctx context.Context, s *sabotage) (noticed bool, err error) {
	dir, err := os.MkdirTemp(c.dir, "holdfast-sabotage-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	c.dir, c.restore = dir, s.restore
	if len(s.edits) > 0 {
		if c.binary, err = s.build(ctx, dir); err != nil {
			return false, err
		}
	}
	code, r, err := c.run(ctx, s)
	switch {
	case code == 1 && r.losses > 0:
		text := strings.Join(strings.Fields(err.Error()), " ")
		fmt.Printf("SABOTAGE %s: noticed after %d losses: %.400s\n", s.name, r.losses, text)
		return true, nil
	case r != nil && r.losses >= c.losses:
		fmt.Printf("SABOTAGE %s: NOT NOTICED in %d losses\n", s.name, r.losses)
		return false, nil
	}
	return false, fmt.Errorf("sabotage %s: the run broke: %w", s.name, err)
}

// build makes the program with the sabotage; the sources stay as they are.
func (s *sabotage) build(ctx context.Context, dir string) (string, error) {
	edited, err := overlay.Write(dir, s.edits)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "holdfast")
	out, err := exec.CommandContext(ctx, "go", "build", "-overlay", edited, "-o", binary, "./cmd/holdfast").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build with sabotage %s: %w\n%s", s.name, err, out)
	}
	return binary, nil
}

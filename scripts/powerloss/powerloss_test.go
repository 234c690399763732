package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/overlay"
	"github.com/holdfast-io/holdfast/scripts/internal/powerfs"
)

func TestSabotagesLieAboutTheirFilesOnly(t *testing.T) {
	t.Parallel()
	files := []string{"n1/log/0001-0000.wal", "n1/log/wal-meta.db", "n1/log/", "n1/partitions/00042.db", "c1/raft.db", "n1/store.json.tmp", "n1/store.json", "n1/", "/"}
	for name, want := range map[string]string{
		"log": "n1/log/0001-0000.wal", "directories": "n1/log/ n1/ /", "partitions": "n1/partitions/00042.db",
		"raft": "c1/raft.db", "store": "n1/store.json.tmp n1/store.json",
	} {
		for _, s := range sabotages {
			if s.name != name {
				continue
			}
			var got []string
			for _, file := range files {
				if s.lie(file) {
					got = append(got, file)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s lies about %q, want %s", name, got, want)
			}
		}
	}
}

// What a sabotage replaces in the sources must still be there.
func TestSabotagesFindTheirPlaces(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sabotages {
		if s.lie == nil && len(s.edits) == 0 {
			t.Errorf("%s breaks nothing", s.name)
		}
		var edits []overlay.Edit
		for _, e := range s.edits {
			e.File = filepath.Join(root, e.File)
			edits = append(edits, e)
		}
		if _, err := overlay.Write(t.TempDir(), edits); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// A run in which one kind of process had nothing to lose says nothing.
func TestVoid(t *testing.T) {
	t.Parallel()
	c, err := cluster.New(cluster.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r := results{acknowledged: 1000}
	r.add(map[string]powerfs.Loss{"n1": {Bytes: 7, Names: 1}, "n3": {Bytes: 3}, "c2": {Names: 2}}, c)
	if err := r.void(); err == nil || !strings.Contains(err.Error(), "no coordinator lost a byte") {
		t.Errorf("without a coordinator's bytes: %v", err)
	}
	r.add(map[string]powerfs.Loss{"c1": {Bytes: 5}}, c)
	if err := r.void(); err != nil {
		t.Errorf("with both kinds: %v", err)
	}
	r.acknowledged = 10
	if r.void() == nil {
		t.Error("ten acknowledged writes are enough")
	}
	var out bytes.Buffer
	r.print(&out)
	for _, want := range []string{"2 losses", "10 acknowledged writes", "coordinators                       5                       2", "nodes                      10                       1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}

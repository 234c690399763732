package processtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/powerfs"
)

// poweredDir is a directory on a file system that can lose power.
func poweredDir(t *testing.T) (*powerfs.FS, string) {
	t.Helper()
	mount, backing := t.TempDir(), t.TempDir()
	files, err := powerfs.Mount(mount, backing)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must run this test, which needs root and /dev/fuse: %v", err)
		}
		t.Skipf("needs root and /dev/fuse: %v", err)
	}
	must(t, err)
	t.Cleanup(func() { must(t, files.Close()) })
	return files, mount
}

// What a process has synced in a directory that it made itself, with the directories
// above, is there after a power loss.
//
// It runs alone: beside other tests that start processes, its file system could not be
// unmounted now and then.
func TestANewDirectoryOutlivesAPowerLoss(t *testing.T) {
	files, mount := poweredDir(t)
	c, err := cluster.New(cluster.Options{Binary: binary(t), Dir: t.TempDir(), Data: filepath.Join(mount, "made", "by"), Nodes: 1})
	must(t, err)
	defer c.Close()
	defer files.Restore()
	// file is synced before later is made.
	kept := func(name, file, later string, start ...*cluster.Member) {
		t.Helper()
		for _, m := range start {
			must(t, m.Start())
		}
		dir := filepath.Join(mount, "made", "by", name)
		eventually(t, 30*time.Second, later+" is made", func() error { _, err := os.Stat(filepath.Join(dir, later)); return err })
		files.Cut()
		ended := c.Kill()
		_, err := files.Lose(nil)
		ended()
		files.Restore()
		must(t, err)
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Errorf("after a power loss: %v", err)
		}
	}
	kept("c1", "member.json", "raft.db", c.Coordinators...)
	must(t, os.RemoveAll(filepath.Join(mount, "made")))
	kept("n1", "partitions", "log", c.Nodes...)
}

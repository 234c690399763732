package powerfs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mounted is a file system with a directory for a process p, durably.
func mounted(t *testing.T) (f *FS, p string) {
	t.Helper()
	dir := t.TempDir()
	mount, backing := filepath.Join(dir, "mount"), filepath.Join(dir, "backing")
	must(t, os.Mkdir(mount, 0o755), os.Mkdir(backing, 0o755))
	f, err := Mount(mount, backing)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must run these tests, which need root and /dev/fuse: %v", err)
		}
		t.Skipf("needs root and /dev/fuse: %v", err)
	}
	must(t, err)
	t.Cleanup(func() {
		f.Restore()
		must(t, f.Close())
		if left, err := os.ReadDir(backing); err != nil || len(left) > 0 {
			t.Errorf("%d files are left in the backing directory, %v", len(left), err)
		}
	})
	p = filepath.Join(mount, "p")
	must(t, os.Mkdir(p, 0o755), syncDir(mount))
	return f, p
}

func must(t *testing.T, steps ...error) {
	t.Helper()
	for i, err := range steps {
		if err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
	}
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// put writes a file, and syncs its content.
func put(path, content string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// lose loses the power and has it back.
func lose(t *testing.T, f *FS) map[string]Loss {
	t.Helper()
	f.Cut()
	losses, err := f.Lose(nil)
	must(t, err)
	f.Restore()
	return losses
}

func wantFile(t *testing.T, path, content string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != content {
		t.Errorf("%s: %q, %v; want %q", filepath.Base(path), got, err, content)
	}
}

func wantNames(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s has %q, want %q", filepath.Base(dir), got, names)
	}
}

// After a loss a file holds what it held when it was synced last, and is as long.
func TestContent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(f *os.File) error
		bytes  int64
	}{
		"overwritten": {func(f *os.File) error { _, err := f.WriteAt([]byte("XXX"), 2); return err }, 3},
		"overwritten twice": {func(f *os.File) error {
			_, a := f.WriteAt([]byte("XXX"), 2)
			_, b := f.WriteAt([]byte("YY"), 1)
			return errors.Join(a, b)
		}, 5},
		"appended to":           {func(f *os.File) error { _, err := f.WriteAt([]byte("more"), 10); return err }, 4},
		"written behind a hole": {func(f *os.File) error { _, err := f.WriteAt([]byte("more"), 100_000); return err }, 4},
		"truncated":             {func(f *os.File) error { return f.Truncate(3) }, 7},
		"truncated and written": {func(f *os.File) error { _, err := f.WriteAt([]byte("Z"), 9); return errors.Join(f.Truncate(3), err) }, 8},
		"extended":              {func(f *os.File) error { return f.Truncate(5000) }, 0},
		"allocated":             {func(f *os.File) error { return syscall.Fallocate(int(f.Fd()), 0, 0, 9000) }, 0},
		"much":                  {func(f *os.File) error { _, err := f.WriteAt(bytes.Repeat([]byte("m"), 3<<20), 7); return err }, 3 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, p := mounted(t)
			path := filepath.Join(p, "file")
			must(t, put(path, "0123456789"), syncDir(p))
			open, err := os.OpenFile(path, os.O_RDWR, 0)
			must(t, err, c.change(open))
			live, err := os.ReadFile(path)
			must(t, err, open.Close())
			if string(live) == "0123456789" {
				t.Error("the change is not seen")
			}
			if got := lose(t, f)["p"]; got.Bytes != c.bytes || got.Names != 0 {
				t.Errorf("lost %+v, want %d bytes", got, c.bytes)
			}
			wantFile(t, path, "0123456789")

			open, err = os.OpenFile(path, os.O_RDWR, 0)
			must(t, err, c.change(open), open.Sync(), open.Close())
			if got := lose(t, f)["p"]; got != (Loss{}) {
				t.Errorf("lost %+v after a sync", got)
			}
			wantFile(t, path, string(live))
		})
	}
}

// A sync covers what was written before, not what came after it, and not other
// files.
func TestSyncCoversWhatWasBefore(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, put(filepath.Join(p, "a"), "a1"), put(filepath.Join(p, "b"), "b1"), syncDir(p))
	a, err := os.OpenFile(filepath.Join(p, "a"), os.O_RDWR, 0)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p, "b"), []byte("b22"), 0o644))
	_, err = a.WriteAt([]byte("a2"), 0)
	must(t, err, a.Sync())
	_, err = a.WriteAt([]byte("a3"), 0)
	must(t, err, a.Close())
	lose(t, f)
	wantFile(t, filepath.Join(p, "a"), "a2")
	wantFile(t, filepath.Join(p, "b"), "b1")
}

// A name is durable once its directory was synced, and only then.
func TestNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change        func(p string) error
		before, after string // names
	}{
		"create": {func(p string) error { return put(p+"/new", "new") }, "d old", "d new old"},
		"unlink": {func(p string) error { return os.Remove(p + "/old") }, "d old", "d"},
		"rename": {func(p string) error { return os.Rename(p+"/old", p+"/moved") }, "d old", "d moved"},
		"link":   {func(p string) error { return os.Link(p+"/old", p+"/twin") }, "d old", "d old twin"},
		"mkdir":  {func(p string) error { return os.Mkdir(p+"/made", 0o755) }, "d old", "d made old"},
		"rmdir":  {func(p string) error { return os.Remove(p + "/d") }, "d old", "old"},
		"create and rename": {func(p string) error { return errors.Join(put(p+"/new", "new"), os.Rename(p+"/new", p+"/newer")) },
			"d old", "d newer old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, p := mounted(t)
			must(t, put(p+"/old", "old"), os.Mkdir(p+"/d", 0o755), syncDir(p))
			must(t, c.change(p))
			wantNames(t, p, strings.Fields(c.after)...)
			if got := lose(t, f)["p"]; got.Names == 0 {
				t.Errorf("lost %+v, want a name", got)
			}
			wantNames(t, p, strings.Fields(c.before)...)
			wantFile(t, p+"/old", "old")
			must(t, c.change(p), syncDir(p))
			if got := lose(t, f)["p"]; got != (Loss{}) {
				t.Errorf("lost %+v after a sync", got)
			}
			wantNames(t, p, strings.Fields(c.after)...)
		})
	}
}

// A file that is replaced by a rename is the old one or the new one after a loss.
func TestReplace(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, put(p+"/file", "old"), syncDir(p))
	must(t, put(p+"/file.tmp", "new"), os.Rename(p+"/file.tmp", p+"/file"))
	wantFile(t, p+"/file", "new")
	lose(t, f)
	wantNames(t, p, "file")
	wantFile(t, p+"/file", "old")
	must(t, put(p+"/file.tmp", "new"), os.Rename(p+"/file.tmp", p+"/file"), syncDir(p))
	lose(t, f)
	wantNames(t, p, "file")
	wantFile(t, p+"/file", "new")

	// Its name is there, and what it holds is not: nobody synced that.
	must(t, os.WriteFile(p+"/file.tmp", []byte("newer"), 0o644), os.Rename(p+"/file.tmp", p+"/file"), syncDir(p))
	lose(t, f)
	wantFile(t, p+"/file", "")
}

// What stands in a directory that has no durable name is gone with it, synced or
// not.
func TestADirectoryWithoutItsNameIsGone(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, os.Mkdir(p+"/d", 0o755), put(p+"/d/file", "synced"), syncDir(p+"/d"))
	lose(t, f)
	wantNames(t, p)
	must(t, os.Mkdir(p+"/d", 0o755), put(p+"/d/file", "synced"), syncDir(p))
	lose(t, f)
	wantNames(t, p+"/d")
}

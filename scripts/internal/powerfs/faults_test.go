package powerfs

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waiting waits until that many operations of a process are held or delayed.
func waiting(t *testing.T, d *Faults, n int) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for d.Waiting() != n {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%d operations wait, want %d", d.Waiting(), n)
		}
	}
}

// heldSync begins a sync of a change that does not end by itself.
func heldSync(t *testing.T, f *FS, p string) (open *os.File, result chan error, release func()) {
	t.Helper()
	must(t, put(p+"/file", "old"), syncDir(p))
	open, err := os.OpenFile(p+"/file", os.O_RDWR, 0)
	must(t, err)
	_, err = open.WriteAt([]byte("new"), 0)
	must(t, err)
	release = f.Faults("p").Hold(Sync)
	result = make(chan error, 1)
	go func() { result <- open.Sync() }()
	waiting(t, f.Faults("p"), 1)
	return open, result, release
}

// A sync that is held is not acknowledged; other processes' are not held.
func TestHeldSync(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	open, result, release := heldSync(t, f, p)
	defer release()
	other := f.dir + "/q"
	must(t, os.Mkdir(other, 0o755), put(other+"/file", "free"), syncDir(other))
	if len(result) > 0 {
		t.Fatalf("the sync is not held: %v", <-result)
	}
	release()
	must(t, <-result, open.Close())
	lose(t, f)
	wantFile(t, p+"/file", "new")
}

// Nothing of a sync that is held is durable, and it does not outlast a loss.
func TestALossEndsWhatIsHeld(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	open, result, release := heldSync(t, f, p)
	defer release()
	lose(t, f)
	if err := <-result; !errors.Is(err, syscall.EIO) {
		t.Errorf("the held sync: %v", err)
	}
	must(t, open.Close())
	wantFile(t, p+"/file", "old")
}

// A sync that is delayed ends with the power, too.
func TestDelayedSync(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, put(p+"/file", "old"))
	f.Faults("p").Delay(Sync, time.Hour)
	result := make(chan error, 1)
	go func() { result <- syncDir(p) }()
	waiting(t, f.Faults("p"), 1)
	lose(t, f)
	if err := <-result; !errors.Is(err, syscall.EIO) {
		t.Errorf("the delayed sync: %v", err)
	}
	wantNames(t, p)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	open, err := os.Create(p + "/file")
	must(t, err, syncDir(p))
	f.Faults("p").Fail(Write, syscall.EIO)
	if _, err := open.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("a write: %v", err)
	}
	if err := os.Remove(p + "/file"); !errors.Is(err, syscall.EIO) {
		t.Errorf("a remove: %v", err)
	}
	f.Faults("p").Fail(Write, 0)
	_, err = open.WriteAt([]byte("x"), 0)
	must(t, err)
	f.Faults("p").Fail(Sync, syscall.ENOSPC)
	if err := open.Sync(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a sync: %v", err)
	}
	must(t, open.Close())
	f.Faults("p").Fail(Sync, 0)
	lose(t, f)
	wantFile(t, p+"/file", "")
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	f.Faults("p").Resize(8192)
	open, err := os.Create(p + "/file")
	must(t, err)
	_, err = open.WriteAt(make([]byte, 8192), 0)
	must(t, err)
	if _, err := open.WriteAt([]byte("x"), 8192); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write: %v", err)
	}
	if err := syscall.Fallocate(int(open.Fd()), 0, 0, 10000); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("an allocation: %v", err)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(p, &s); err != nil || s.Bavail != 0 || s.Blocks != 2 {
		t.Errorf("%d of %d blocks are free, %v", s.Bavail, s.Blocks, err)
	}
	must(t, open.Truncate(100))
	_, err = open.WriteAt(make([]byte, 4096), 100)
	must(t, err, open.Close())
	if used := f.Faults("p").Used(); used != 4196 {
		t.Errorf("%d bytes are used", used)
	}
	lose(t, f)
	if used := f.Faults("p").Used(); used != 0 {
		t.Errorf("%d bytes are used after the loss", used)
	}
}

// Where fsync lies it reports success, and a loss takes what it was about.
func TestLies(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, put(p+"/a.db", "old"), put(p+"/b", "old"), syncDir(p), os.Mkdir(p+"/d", 0o755), syncDir(p))
	f.Lie(func(path string) bool { return path == "p/d/" || strings.HasSuffix(path, ".db") })
	must(t, put(p+"/a.db", "new"), put(p+"/b", "new"), put(p+"/c", "new"), syncDir(p), put(p+"/d/e", "new"), syncDir(p+"/d"))
	if got := lose(t, f)["p"]; got.Bytes == 0 || got.Names != 1 {
		t.Errorf("lost %+v", got)
	}
	wantNames(t, p, "a.db", "b", "c", "d")
	wantNames(t, p+"/d")
	wantFile(t, p+"/a.db", "old")
	wantFile(t, p+"/b", "new")
	f.Lie(nil)
	must(t, put(p+"/a.db", "new"), syncDir(p))
	lose(t, f)
	wantFile(t, p+"/a.db", "new")
}

// A disk may have some of what was not synced: each sector is of before or after.
func TestSurvivingSectors(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	random := rand.New(rand.NewPCG(1, 2))
	must(t, put(p+"/file", strings.Repeat("o", 20*sector)), syncDir(p))
	open, err := os.OpenFile(p+"/file", os.O_RDWR, 0)
	must(t, err)
	_, err = open.WriteAt(bytes.Repeat([]byte("n"), 20*sector), 0)
	must(t, err, open.Close())
	f.Cut()
	losses, err := f.Lose(func() bool { return random.IntN(2) == 0 })
	must(t, err)
	f.Restore()
	got, err := os.ReadFile(p + "/file")
	must(t, err)
	var old int64
	for at := 0; at < len(got); at += sector {
		switch s := string(got[at : at+sector]); s {
		case strings.Repeat("o", sector):
			old++
		case strings.Repeat("n", sector):
		default:
			t.Errorf("a sector is torn: %.20q", s)
		}
	}
	if len(got) != 20*sector || old == 0 || old == 20 || losses["p"].Bytes != old*sector {
		t.Errorf("%d bytes, %d old sectors, %+v", len(got), old, losses["p"])
	}
}

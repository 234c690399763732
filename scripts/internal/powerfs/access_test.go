package powerfs

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// bbolt maps its file once, and writes beside the map.
func TestAMapShowsWhatIsWritten(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, put(p+"/file", "0123456789"), syncDir(p))
	open, err := os.OpenFile(p+"/file", os.O_RDWR, 0)
	must(t, err)
	// Populated: a page fault in the process that serves it would not be seen by Go.
	mapped, err := unix.Mmap(int(open.Fd()), 0, 10, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	must(t, err)
	_, err = open.WriteAt([]byte("abc"), 3)
	must(t, err)
	if string(mapped) != "012abc6789" {
		t.Errorf("the map shows %q", mapped)
	}
	must(t, unix.Munmap(mapped), open.Close())
	lose(t, f)
	open, err = os.Open(p + "/file")
	must(t, err)
	mapped, err = unix.Mmap(int(open.Fd()), 0, 10, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	must(t, err)
	if string(mapped) != "0123456789" {
		t.Errorf("after a loss the map shows %q", mapped)
	}
	must(t, unix.Munmap(mapped), open.Close())
}

// Direct reads get what the file holds, as does the scrub of a node.
func TestDirectRead(t *testing.T) {
	t.Parallel()
	_, p := mounted(t)
	content := string(make([]byte, 4096)) + "end"
	must(t, put(p+"/file", content))
	fd, err := unix.Open(p+"/file", unix.O_RDONLY|unix.O_DIRECT, 0)
	must(t, err)
	got := make([]byte, 8192)
	n, err := unix.Pread(fd, got, 0)
	must(t, err, unix.Close(fd))
	if string(got[:n]) != content {
		t.Errorf("%d bytes, want %d", n, len(content))
	}
}

func TestFlock(t *testing.T) {
	t.Parallel()
	_, p := mounted(t)
	first, second := flock.New(p+"/lock"), flock.New(p+"/lock")
	got, err := first.TryLock()
	must(t, err)
	again, err := second.TryLock()
	must(t, err)
	if !got || again {
		t.Errorf("the first has it: %t, the second: %t", got, again)
	}
	must(t, first.Close(), second.Close())
}

func TestUnsupportedAllocationsSaySo(t *testing.T) {
	t.Parallel()
	_, p := mounted(t)
	must(t, put(p+"/file", "0123456789"))
	open, err := os.OpenFile(p+"/file", os.O_RDWR, 0)
	must(t, err)
	err = unix.Fallocate(int(open.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4)
	if !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("a hole: %v", err)
	}
	must(t, open.Close())
	wantFile(t, p+"/file", "0123456789")
}

// A file without a name is there for who has it open, and only so long.
func TestAnOpenFileOutlivesItsName(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, put(p+"/file", "0123456789"), syncDir(p))
	open, err := os.Open(p + "/file")
	must(t, err, os.Remove(p+"/file"), syncDir(p))
	got := make([]byte, 10)
	if n, err := open.ReadAt(got, 0); n != 10 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if used := f.Faults("p").Used(); used != 10 {
		t.Errorf("%d bytes are used, want 10", used)
	}
	must(t, open.Close())
}

// Many writers, readers and syncs at a time; then a loss among them.
func TestParallelUse(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	var users, ready sync.WaitGroup
	acknowledged := make([]int, 8)
	ready.Add(len(acknowledged))
	for u := range acknowledged {
		users.Go(func() {
			open, err := os.Create(p + "/" + string(rune('a'+u)))
			if err == nil {
				defer open.Close()
				err = syncDir(p)
			}
			ready.Done()
			if err != nil {
				t.Error(err)
				return
			}
			ready.Wait() // the loss comes after all names
			for n := 1; ; n++ {
				if _, err := open.WriteAt([]byte{byte(n)}, int64(n-1)*1000); err != nil || open.Sync() != nil {
					return
				}
				if acknowledged[u] = n; n == 50 && u == 0 {
					f.Cut()
					if _, err := f.Lose(nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	users.Wait()
	f.Restore()
	for u, n := range acknowledged {
		got, err := os.ReadFile(p + "/" + string(rune('a'+u)))
		if n > 0 && (err != nil || len(got) < (n-1)*1000+1 || got[(n-1)*1000] != byte(n)) {
			t.Errorf("user %d: %d bytes, %v; %d were acknowledged", u, len(got), err, n)
		}
	}
}

// Between the instant of the loss and Restore nothing succeeds.
func TestNothingIsAcknowledgedAfterTheCut(t *testing.T) {
	t.Parallel()
	f, p := mounted(t)
	must(t, put(p+"/file", "0123456789"), syncDir(p))
	open, err := os.OpenFile(p+"/file", os.O_RDWR, 0)
	must(t, err)
	_, err = open.WriteAt([]byte("late"), 0)
	must(t, err)
	f.Cut()
	result := make(chan error, 3)
	go func() { result <- open.Sync() }()
	go func() { _, err := open.WriteAt([]byte("later"), 0); result <- err }()
	go func() { result <- os.Rename(p+"/file", p+"/moved") }()
	select {
	case err := <-result:
		t.Errorf("an operation returns after the cut: %v", err)
	default:
	}
	if got, err := f.Lose(nil); err != nil || got["p"].Bytes != 4 {
		t.Errorf("lost %+v, %v", got["p"], err)
	}
	for range 3 {
		if err := <-result; !errors.Is(err, syscall.EIO) {
			t.Errorf("an operation that waited: %v, want EIO", err)
		}
	}
	f.Restore()
	must(t, open.Close())
	wantNames(t, p, "file")
	wantFile(t, p+"/file", "0123456789")
}

package storage

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// slowFiles are files of which each sync takes as long as it is told.
type slowFiles struct {
	types.VFS
	sync atomic.Int64 // nanoseconds
}

type slowFile struct {
	types.WritableFile
	files *slowFiles
}

func (f *slowFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	file, err := f.VFS.Create(dir, name, size)
	return slowFile{file, f}, err
}

func (f slowFile) Sync() error {
	<-time.After(time.Duration(f.files.sync.Load()))
	return f.WritableFile.Sync()
}

// A replica that comes back gets more than its disk takes in a second. That the
// last of it waits for longer does not mean that the disk hangs.
func TestAQueueIsNoFsyncThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := &slowFiles{VFS: fs.New()}
		o := small(t.TempDir())
		o.LogFiles, o.SegmentSize, o.MemoryTable, o.LogRetention = files, 0, 1<<30, 1<<30
		f := open(t, o)
		f.OpenPartition(1, lineage)
		f.sync(records(1, puts(1, 1, 10)...)...)

		longest := func(every time.Duration, entries, size int) (longest, took time.Duration) {
			began := time.Now()
			var all sync.WaitGroup
			at := f.log.next // any number: only the log is written to
			for i := range entries {
				all.Add(1)
				f.Append(records(1, puts(at+uint64(i), at+uint64(i), size)...), all.Done)
			}
			done := make(chan struct{})
			go func() { all.Wait(); close(done) }()
			for {
				select {
				case <-done:
					return longest, time.Since(began)
				case <-time.After(every):
					longest = max(longest, f.OldestPending())
					if f.LogQueue() < f.OldestPending() {
						t.Errorf("what is written waits for %v, and the queue for %v", f.OldestPending(), f.LogQueue())
					}
				}
			}
		}
		files.sync.Store(int64(400 * time.Millisecond))
		if age, took := longest(10*time.Millisecond, 40, 1_000_000); age > 400*time.Millisecond || took < 2*time.Second {
			t.Errorf("an fsync seems to take %v of the %v that all take", age, took)
		}
		files.sync.Store(int64(900 * time.Millisecond))
		if age, took := longest(10*time.Millisecond, 80, 1_000_000); age < 2*time.Second || age > took-3*time.Second {
			t.Errorf("a disk that is %v behind seems to be at it for %v", took, age)
		}
		if queued := f.LogQueue(); queued != 0 {
			t.Errorf("nothing is left, and waits for %v", queued)
		}
		files.sync.Store(int64(3 * time.Second))
		if age, _ := longest(10*time.Millisecond, 1, 10); age < 2900*time.Millisecond {
			t.Errorf("an fsync of 3 s seems to take %v", age)
		}
		files.sync.Store(0)
	})
}

package storage

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// faultFiles are the log's files on a disk of which a test knows what a crash
// may leave: what was written and not synced is there, or not, or in part. They
// call at before each operation, with nothing under way; an error that it
// returns is the operation's.
type faultFiles struct {
	*fs.FS
	at func(operation string) error

	mu       sync.Mutex
	unsynced map[string][]unsyncedWrite // by path
}

// unsyncedWrite is what a write changed, and what was there before.
type unsyncedWrite struct {
	offset        int64
	before, after []byte
}

func newFaultFiles() *faultFiles {
	return &faultFiles{FS: fs.New(), at: func(string) error { return nil }, unsynced: map[string][]unsyncedWrite{}}
}

func (f *faultFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	if err := f.at("create"); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(dir, name, size)
	return &faultFile{file, f, filepath.Join(dir, name)}, err
}

func (f *faultFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	if err := f.at("open"); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenWriter(dir, name)
	return &faultFile{file, f, filepath.Join(dir, name)}, err
}

func (f *faultFiles) Delete(dir, name string) error {
	if err := f.at("delete"); err != nil {
		return err
	}
	return f.FS.Delete(dir, name)
}

type faultFile struct {
	types.WritableFile
	f    *faultFiles
	path string
}

func (w *faultFile) WriteAt(b []byte, offset int64) (int, error) {
	if err := w.f.at("write"); err != nil {
		return 0, err
	}
	u := unsyncedWrite{offset: offset, before: make([]byte, len(b)), after: append([]byte(nil), b...)}
	_, _ = w.ReadAt(u.before, offset) // what is beyond the end is zero
	w.f.mu.Lock()
	w.f.unsynced[w.path] = append(w.f.unsynced[w.path], u)
	w.f.mu.Unlock()
	return w.WritableFile.WriteAt(b, offset)
}

func (w *faultFile) Sync() error {
	if err := w.f.at("sync"); err != nil {
		return err
	}
	if err := w.WritableFile.Sync(); err != nil {
		return err
	}
	w.f.mu.Lock()
	delete(w.f.unsynced, w.path)
	w.f.mu.Unlock()
	return nil
}

// sector is the least that a disk writes whole.
const sector = 512

// forget changes the image of a data directory to what a crash could have left:
// of every sector that was written and not synced, keep says whether the disk
// has it.
func (f *faultFiles) forget(image, original string, keep func() bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, writes := range f.unsynced {
		relative, err := filepath.Rel(original, path)
		if err != nil {
			return err
		}
		file, err := os.OpenFile(filepath.Join(image, relative), os.O_RDWR, 0)
		if os.IsNotExist(err) {
			continue // deleted since
		}
		if err != nil {
			return err
		}
		for i := len(writes) - 1; i >= 0; i-- {
			u := &writes[i]
			for from := 0; from < len(u.after); {
				to := min(len(u.after), from+sector-int((u.offset+int64(from))%sector))
				if !keep() {
					if _, err := file.WriteAt(u.before[from:to], u.offset+int64(from)); err != nil {
						return join(err, file)
					}
				}
				from = to
			}
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}

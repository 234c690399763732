// Package faultfiles is the log's files on a disk that tests and rigs control: any
// operation can fail, and a crash can lose what was written and not synced. No
// production code uses it.
package faultfiles

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// Files implements types.VFS on the machine's file system. What was written and
// not synced may be on the disk after a crash, or not, or in part: Forget chooses.
type Files struct {
	*fs.FS
	// At is called before each operation that changes something: "create", "open"
	// (to write), "delete", "write" and "sync". An error that it returns is the
	// operation's. It is set before the files are used.
	At func(operation string) error

	mu       sync.Mutex
	unsynced map[string][]unsyncedWrite // by path
}

// unsyncedWrite is what a write changed, and what was there before.
type unsyncedWrite struct {
	offset        int64
	before, after []byte
}

// New returns files of which no operation fails.
func New() *Files {
	return &Files{FS: fs.New(), At: func(string) error { return nil }, unsynced: map[string][]unsyncedWrite{}}
}

// Create implements types.VFS.
func (f *Files) Create(dir, name string, size uint64) (types.WritableFile, error) {
	if err := f.At("create"); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(dir, name, size)
	return &writer{file, f, filepath.Join(dir, name)}, err
}

// OpenWriter implements types.VFS.
func (f *Files) OpenWriter(dir, name string) (types.WritableFile, error) {
	if err := f.At("open"); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenWriter(dir, name)
	return &writer{file, f, filepath.Join(dir, name)}, err
}

// Delete implements types.VFS.
func (f *Files) Delete(dir, name string) error {
	if err := f.At("delete"); err != nil {
		return err
	}
	return f.FS.Delete(dir, name)
}

// writer is a file that is open to be written.
type writer struct {
	types.WritableFile
	f    *Files
	path string
}

// WriteAt implements types.WritableFile.
func (w *writer) WriteAt(b []byte, offset int64) (int, error) {
	if err := w.f.At("write"); err != nil {
		return 0, err
	}
	u := unsyncedWrite{offset: offset, before: make([]byte, len(b)), after: append([]byte(nil), b...)}
	_, _ = w.ReadAt(u.before, offset) // what is beyond the end is zero
	w.f.mu.Lock()
	w.f.unsynced[w.path] = append(w.f.unsynced[w.path], u)
	w.f.mu.Unlock()
	return w.WritableFile.WriteAt(b, offset)
}

// Sync implements types.WritableFile.
func (w *writer) Sync() error {
	if err := w.f.At("sync"); err != nil {
		return err
	}
	w.f.mu.Lock()
	before := len(w.f.unsynced[w.path])
	w.f.mu.Unlock()
	if err := w.WritableFile.Sync(); err != nil {
		return err
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	// What was written meanwhile may not be on the disk.
	w.f.unsynced[w.path] = w.f.unsynced[w.path][before:]
	return nil
}

// Sector is the least that a disk writes whole, in bytes.
const Sector = 512

// Forget changes the image of a data directory to what a crash could have left:
// of every sector that was written and not synced, keep says whether the disk
// has it. The image may be the original itself, with nothing under way.
func (f *Files) Forget(image, original string, keep func() bool) error {
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
				to := min(len(u.after), from+Sector-int((u.offset+int64(from))%Sector))
				if !keep() {
					if _, err := file.WriteAt(u.before[from:to], u.offset+int64(from)); err != nil {
						return errors.Join(err, file.Close())
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

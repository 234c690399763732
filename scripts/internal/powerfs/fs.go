// Package powerfs is a file system (FUSE) that can lose power: it knows what
// every process below it has written and not synced, and drops all of that at
// one instant. The power-loss run puts the directories of a whole cluster on it.
// It also holds, delays and fails what one process does, and it can lie about
// fsync. It needs root and /dev/fuse. DESIGN.md has the model of durability.
package powerfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// FS is a mounted file system. Each directory at its top stands for one process.
type FS struct {
	dir    string // mount point
	server *fuse.Server
	pool   *pool
	gate   gate
	lie    atomic.Pointer[func(path string) bool]

	mu struct {
		sync.Mutex // guards all directories, and how often an inode is referred to
		root       *inode
		all        map[*inode]bool
		last       uint64 // inode number given last
		faults     map[string]*Faults
	}
}

// Mount mounts an empty file system at dir, which must be there. What files hold
// is kept in backing, a directory that must be there too, under numbers.
func Mount(dir, backing string) (*FS, error) {
	f := &FS{dir: dir, pool: &pool{dir: backing}}
	f.gate.changed = make(chan struct{})
	f.mu.all, f.mu.faults = map[*inode]bool{}, map[string]*Faults{}
	f.mu.root = f.newInode(nil, "", modeDir, 0o755)
	f.mu.root.links = 1
	// Only this kernel changes anything here, so what it knows stays true, apart
	// from names: after a loss a name may stand for something else, or nothing.
	always, never := time.Hour, time.Duration(0)
	options := &fs.Options{AttrTimeout: &always, EntryTimeout: &never, NegativeTimeout: &never,
		RootStableAttr: &fs.StableAttr{Ino: f.mu.root.number}}
	options.MountOptions = fuse.MountOptions{
		FsName: "powerfs", Name: "powerfs", DirectMountStrict: true, MaxWrite: 1 << 20,
		DisableXAttrs: true, ExplicitDataCacheControl: true,
	}
	server, err := fs.Mount(dir, &node{fs: f, inode: f.mu.root}, options)
	if err != nil {
		return nil, fmt.Errorf("mount powerfs at %s: %w", dir, err)
	}
	f.server = server
	return f, nil
}

// unmountPatience is for how long Close tries.
const unmountPatience = 10 * time.Second

// Close unmounts the file system; no process may have a file of it open. What is
// in the backing directory is removed.
func (f *FS) Close() error {
	err := f.server.Unmount()
	// Beside tests that start processes, the kernel has called the mount busy although
	// every process on it had ended. Why is not known; mostly it passes.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); err != nil && time.Since(begin) < unmountPatience; err = f.server.Unmount() {
		<-tick.C
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", f.dir, err)
	}
	f.server.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for i := range f.mu.all {
		errs = append(errs, f.free(i))
	}
	return errors.Join(errs...)
}

// Lie has every later fsync of what matches do nothing, and report success. A
// path is relative to the mount point; that of a directory ends with a slash.
// nil: no lies.
func (f *FS) Lie(matches func(path string) bool) {
	if matches == nil {
		f.lie.Store(nil)
		return
	}
	f.lie.Store(&matches)
}

func (f *FS) lies(i *inode) bool {
	matches := f.lie.Load()
	if matches == nil {
		return false
	}
	f.mu.Lock()
	path := i.path()
	f.mu.Unlock()
	return (*matches)(path)
}

// pool makes the files in which content is kept.
type pool struct {
	dir  string
	next atomic.Uint64
}

func (p *pool) create() (*os.File, error) {
	return os.OpenFile(filepath.Join(p.dir, fmt.Sprintf("%08d", p.next.Add(1))), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}

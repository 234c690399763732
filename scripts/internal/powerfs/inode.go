package powerfs

import (
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	modeDir  = syscall.S_IFDIR
	modeFile = syscall.S_IFREG
)

// inode is a file or a directory. Its number is new after each loss, so that the
// kernel has nothing in its cache of what it holds then.
type inode struct {
	fs     *FS
	kind   uint32 // modeDir or modeFile
	top    string // the process whose it is: the first part of its path
	faults *Faults

	// Guarded by FS.mu.
	number  uint64
	parent  *inode // where it was named last, and how
	name    string
	names   map[string]*inode // of a directory
	renames []rename          // changes of names that are not synced
	links   int               // names that it has
	pinned  int               // in renames of directories
	handles int               // that are open

	mu struct {
		sync.Mutex
		mode     uint32 // permissions
		uid, gid uint32
		modified time.Time
		content  *os.File // of a file
		size     int64
		changes  []change // of the content that are not synced
		last     uint64   // number of the last change, here or in renames
	}
}

// newInode is called with FS.mu held, or before the file system is mounted.
func (f *FS) newInode(parent *inode, name string, kind, mode uint32) *inode {
	f.mu.last++
	i := &inode{fs: f, kind: kind, number: f.mu.last, parent: parent, name: name}
	i.mu.mode, i.mu.modified = mode, time.Now()
	switch {
	case parent == nil:
	case parent.parent == nil:
		i.top = name
	default:
		i.top = parent.top
	}
	i.faults = f.faults(i.top)
	if i.isDir() {
		i.names = map[string]*inode{}
	}
	f.mu.all[i] = true
	return i
}

func (i *inode) isDir() bool { return i.kind == modeDir }

// path is called with FS.mu held.
func (i *inode) path() string {
	var path string
	for at := i; at.parent != nil; at = at.parent {
		if path = at.name + path; at.parent.parent != nil {
			path = "/" + path
		}
	}
	if i.isDir() {
		path += "/"
	}
	return path
}

// release frees the inode once nothing refers to it. Called with FS.mu held.
func (f *FS) release(i *inode) {
	if i.links == 0 && i.pinned == 0 && i.handles == 0 && f.mu.all[i] {
		_ = f.free(i) // the disk has it a little longer
	}
}

// free is called with FS.mu held.
func (f *FS) free(i *inode) error {
	delete(f.mu.all, i)
	i.forget(len(i.renames))
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.mu.content == nil {
		return nil
	}
	i.faults.use(-i.mu.size)
	err := os.Remove(i.mu.content.Name())
	_ = i.mu.content.Close() // it is gone anyway
	i.mu.content = nil
	return err
}

// attributes is called with FS.mu held.
func (i *inode) attributes(out *fuse.Attr) {
	i.mu.Lock()
	defer i.mu.Unlock()
	out.Ino, out.Mode, out.Nlink = i.number, i.kind|i.mu.mode, uint32(i.links)
	out.Size, out.Blocks, out.Blksize = uint64(i.mu.size), uint64(i.mu.size+511)/512, 4096
	out.Uid, out.Gid = i.mu.uid, i.mu.gid
	out.SetTimes(&i.mu.modified, &i.mu.modified, &i.mu.modified)
	if i.isDir() {
		out.Nlink++
	}
}

package powerfs

import (
	"context"
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is an inode as the kernel's calls reach it. Names are here, content is in
// file.go.
type node struct {
	fs.Inode
	fs    *FS
	inode *inode
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeLinker    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

// look passes the gate for what changes nothing, and holds FS.mu meanwhile.
func (n *node) look(do func() syscall.Errno) syscall.Errno {
	if _, errno := n.fs.gate.enter(); errno != 0 {
		return errno
	}
	defer n.fs.gate.leave()
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	return do()
}

// change passes the gate and the faults of a disk for what changes names.
func (n *node) change(d *Faults, do func() syscall.Errno) syscall.Errno {
	losses, errno := n.fs.begin(d, Write)
	if errno != 0 {
		return errno
	}
	if errno := n.fs.gate.again(losses); errno != 0 {
		return errno
	}
	defer n.fs.gate.leave()
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	return do()
}

// begin waits for as long as an operation of a disk is held or delayed.
func (f *FS) begin(d *Faults, o Operation) (losses int, errno syscall.Errno) {
	losses, errno = f.gate.enter()
	if errno != 0 {
		return 0, errno
	}
	lost := f.gate.changed
	f.gate.leave()
	return losses, d.wait(o, lost)
}

// child tells the kernel of an inode. Called with FS.mu held.
func (n *node) child(ctx context.Context, i *inode, out *fuse.EntryOut) *fs.Inode {
	i.attributes(&out.Attr)
	return n.NewInode(ctx, &node{fs: n.fs, inode: i}, fs.StableAttr{Mode: i.kind, Ino: i.number})
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (found *fs.Inode, errno syscall.Errno) {
	return found, n.look(func() syscall.Errno {
		i := n.inode.names[name]
		if i == nil {
			return syscall.ENOENT
		}
		found = n.child(ctx, i, out)
		return 0
	})
}

func (n *node) Readdir(context.Context) (stream fs.DirStream, errno syscall.Errno) {
	return stream, n.look(func() syscall.Errno {
		var entries []fuse.DirEntry
		for _, name := range slices.Sorted(maps.Keys(n.inode.names)) {
			i := n.inode.names[name]
			entries = append(entries, fuse.DirEntry{Name: name, Ino: i.number, Mode: i.kind})
		}
		stream = fs.NewListDirStream(entries)
		return 0
	})
}

// disk is the faults of what has, or is to have, a name in the directory.
func (n *node) disk(name string) *Faults {
	if n.inode.parent == nil {
		return n.fs.Faults(name)
	}
	return n.inode.faults
}

// add makes an inode and its name. Called with FS.mu held.
func (n *node) add(ctx context.Context, name string, kind, mode uint32, out *fuse.EntryOut) (*inode, *fs.Inode, syscall.Errno) {
	if n.inode.names[name] != nil {
		return nil, nil, syscall.EEXIST
	}
	if n.inode.links == 0 {
		return nil, nil, syscall.ENOENT
	}
	i := n.fs.newInode(n.inode, name, kind, mode&0o7777)
	if !i.isDir() {
		content, err := n.fs.pool.create()
		if err != nil {
			delete(n.fs.mu.all, i)
			return nil, nil, fs.ToErrno(err)
		}
		i.mu.content = content
	}
	n.inode.set(map[string]*inode{name: i})
	return i, n.child(ctx, i, out), 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (made *fs.Inode, errno syscall.Errno) {
	return made, n.change(n.disk(name), func() (errno syscall.Errno) {
		_, made, errno = n.add(ctx, name, modeDir, mode, out)
		return errno
	})
}

func (n *node) Create(ctx context.Context, name string, _ uint32, mode uint32, out *fuse.EntryOut) (made *fs.Inode, h fs.FileHandle, flags uint32, errno syscall.Errno) {
	errno = n.change(n.disk(name), func() (errno syscall.Errno) {
		var i *inode
		if i, made, errno = n.add(ctx, name, modeFile, mode, out); errno == 0 {
			i.handles++
		}
		return errno
	})
	return made, handle{}, fuse.FOPEN_KEEP_CACHE, errno
}

func (n *node) remove(name string, dir bool) syscall.Errno {
	return n.change(n.disk(name), func() syscall.Errno {
		i := n.inode.names[name]
		switch {
		case i == nil:
			return syscall.ENOENT
		case dir && !i.isDir():
			return syscall.ENOTDIR
		case !dir && i.isDir():
			return syscall.EISDIR
		case len(i.names) > 0:
			return syscall.ENOTEMPTY
		}
		n.inode.set(map[string]*inode{name: nil})
		return 0
	})
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno { return n.remove(name, false) }
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno  { return n.remove(name, true) }

// Rename takes names of one directory only: what a loss leaves of a rename between
// two is not modelled.
func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	if into, ok := parent.(*node); !ok || into.inode != n.inode || n.inode.parent == nil && name != to {
		return syscall.EXDEV
	}
	if flags != 0 {
		return syscall.EINVAL
	}
	return n.change(n.disk(name), func() syscall.Errno { return n.inode.move(name, to) })
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (made *fs.Inode, errno syscall.Errno) {
	to, ok := target.(*node)
	if !ok || to.inode.top != n.inode.top {
		return nil, syscall.EXDEV
	}
	return made, n.change(n.disk(name), func() syscall.Errno {
		switch {
		case n.inode.names[name] != nil:
			return syscall.EEXIST
		case to.inode.links == 0 || n.inode.links == 0:
			return syscall.ENOENT
		}
		n.inode.set(map[string]*inode{name: to.inode})
		made = n.child(ctx, to.inode, out)
		return 0
	})
}

// Fsync makes durable what was changed before it was called: of a file its
// content, of a directory its names.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if _, errno := n.fs.gate.enter(); errno != 0 {
		return errno
	}
	n.fs.mu.Lock() // a rename is whole
	n.inode.mu.Lock()
	upTo := n.inode.mu.last
	n.inode.mu.Unlock()
	n.fs.mu.Unlock()
	n.fs.gate.leave()
	losses, errno := n.fs.begin(n.inode.faults, Sync)
	if errno != 0 {
		return errno
	}
	if errno := n.fs.gate.again(losses); errno != 0 {
		return errno
	}
	defer n.fs.gate.leave()
	if n.fs.lies(n.inode) {
		return 0
	}
	if n.inode.isDir() {
		n.inode.syncNames(upTo)
		return 0
	}
	n.inode.syncContent(upTo)
	return 0
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.look(func() syscall.Errno {
		var s syscall.Statfs_t
		if err := syscall.Statfs(n.fs.pool.dir, &s); err != nil {
			return fs.ToErrno(err)
		}
		out.FromStatfsT(&s)
		used, size := n.inode.faults.space()
		if size > 0 {
			out.Bsize, out.Frsize = 4096, 4096
			out.Blocks = uint64(size) / 4096
			out.Bfree = uint64(max(0, size-used)) / 4096
			out.Bavail = out.Bfree
		}
		return 0
	})
}

package powerfs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// handle is an open file; all that it is about is its node's.
type handle struct{}

var (
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReleaser  = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeAllocater = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
)

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	errno := n.look(func() syscall.Errno {
		if n.inode.isDir() {
			return 0
		}
		if !n.fs.mu.all[n.inode] {
			return syscall.ESTALE
		}
		n.inode.handles++
		return 0
	})
	if errno == 0 && flags&syscall.O_TRUNC != 0 {
		if errno = n.content(func() syscall.Errno { return n.inode.resize(0) }); errno != 0 {
			n.closed()
		}
	}
	return handle{}, fuse.FOPEN_KEEP_CACHE, errno
}

// Release is not kept back while the power is cut: it changes nothing that lasts.
func (n *node) Release(context.Context, fs.FileHandle) syscall.Errno {
	n.closed()
	return 0
}

func (n *node) closed() {
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	n.inode.handles--
	n.fs.release(n.inode)
}

// content passes the gate and the faults for what changes the content.
func (n *node) content(do func() syscall.Errno) syscall.Errno {
	losses, errno := n.fs.begin(n.inode.faults, Write)
	if errno != 0 {
		return errno
	}
	if errno := n.fs.gate.again(losses); errno != 0 {
		return errno
	}
	defer n.fs.gate.leave()
	return do()
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, to []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if _, errno := n.fs.gate.enter(); errno != 0 {
		return nil, errno
	}
	defer n.fs.gate.leave()
	n.inode.mu.Lock()
	defer n.inode.mu.Unlock()
	got, err := n.inode.read(to, offset)
	return fuse.ReadResultData(to[:got]), fs.ToErrno(err)
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	errno := n.content(func() syscall.Errno { return n.inode.write(data, offset) })
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

// Allocate reserves nothing; it sets the size where that is what is asked for.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, offset, size uint64, mode uint32) syscall.Errno {
	return n.content(func() syscall.Errno {
		switch mode {
		case 0:
			n.inode.mu.Lock()
			now := n.inode.mu.size
			n.inode.mu.Unlock()
			return n.inode.resize(max(now, int64(offset+size)))
		case unix.FALLOC_FL_KEEP_SIZE:
			return 0
		}
		return syscall.ENOTSUP
	})
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.look(func() syscall.Errno {
		n.inode.attributes(&out.Attr)
		return 0
	})
}

// Setattr sets a size; it keeps modes, owners and times, but does not model what
// becomes of them.
func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		if errno := n.content(func() syscall.Errno { return n.inode.resize(int64(size)) }); errno != 0 {
			return errno
		}
	}
	if errno := n.look(func() syscall.Errno { n.inode.describe(in); return 0 }); errno != 0 {
		return errno
	}
	return n.Getattr(ctx, h, out)
}

func (i *inode) describe(in *fuse.SetAttrIn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if mode, ok := in.GetMode(); ok {
		i.mu.mode = mode & 0o7777
	}
	if uid, ok := in.GetUID(); ok {
		i.mu.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		i.mu.gid = gid
	}
	if at, ok := in.GetMTime(); ok {
		i.mu.modified = at
	}
}

package powerfs

import (
	"slices"
	"syscall"
	"time"
)

// rename is a change of a directory that is not synced: what one name, or two,
// stood for before. A disk has all of it or nothing.
type rename struct {
	number uint64
	before map[string]*inode // nil is nothing
}

// set lets names of a directory stand for inodes, or for nothing. Called with
// FS.mu held.
func (i *inode) set(names map[string]*inode) {
	before := map[string]*inode{}
	for name := range names {
		before[name] = i.names[name]
		if before[name] != nil {
			before[name].pinned++
		}
	}
	i.mu.Lock()
	i.mu.last++
	i.renames = append(i.renames, rename{i.mu.last, before})
	i.mu.modified = time.Now()
	i.mu.Unlock()
	i.point(names)
}

// point is set without a note of it. Called with FS.mu held.
func (i *inode) point(names map[string]*inode) {
	for name, to := range names {
		before := i.names[name]
		if to == nil {
			delete(i.names, name)
		} else {
			to.links++
			to.parent, to.name = i, name
			i.names[name] = to
		}
		if before != nil {
			before.links--
		}
	}
}

// syncNames makes changes up to a number durable.
func (i *inode) syncNames(upTo uint64) {
	i.fs.mu.Lock()
	defer i.fs.mu.Unlock()
	n := 0
	for n < len(i.renames) && i.renames[n].number <= upTo {
		n++
	}
	i.forget(n)
}

// forget drops the notes of the first changes. Called with FS.mu held.
func (i *inode) forget(n int) {
	for _, c := range i.renames[:n] {
		for _, before := range c.before {
			if before != nil {
				before.pinned--
				i.fs.release(before)
			}
		}
	}
	i.renames = slices.Clone(i.renames[n:])
}

// loseNames undoes the last changes that are not synced, up to one that
// survives: a file system's journal is in order. It returns how many are gone.
// Called with FS.mu held.
func (i *inode) loseNames(survives func() bool) (gone int) {
	for n := len(i.renames) - 1; n >= 0 && !survives(); n-- {
		i.point(i.renames[n].before)
		gone++
	}
	i.forget(len(i.renames))
	return gone
}

// move renames in one directory. Called with FS.mu held.
func (i *inode) move(from, to string) syscall.Errno {
	moved, replaced := i.names[from], i.names[to]
	switch {
	case moved == nil:
		return syscall.ENOENT
	case moved == replaced:
		return 0
	case replaced != nil && replaced.isDir() && !moved.isDir():
		return syscall.EISDIR
	case replaced != nil && !replaced.isDir() && moved.isDir():
		return syscall.ENOTDIR
	case replaced != nil && len(replaced.names) > 0:
		return syscall.ENOTEMPTY
	}
	i.set(map[string]*inode{from: nil, to: moved})
	return 0
}

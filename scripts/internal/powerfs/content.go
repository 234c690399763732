package powerfs

import (
	"errors"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
)

// sector is the least that a disk writes whole.
const sector = 512

// change is a change of a file's content that is not synced: what was there
// before. To undo the last ones, one after another, gives an earlier content.
type change struct {
	number uint64
	offset int64
	before []byte
	size   int64 // of the file, before
	bytes  int64 // that were written or cut off
}

// read is called with i.mu held.
func (i *inode) read(to []byte, offset int64) (int, error) {
	if i.mu.content == nil {
		return 0, syscall.ESTALE
	}
	n, err := i.mu.content.ReadAt(to, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// before notes what [offset, end) holds and the size, for it is to be changed.
// Called with i.mu held.
func (i *inode) before(offset, end, bytes int64) error {
	c := change{number: i.mu.last + 1, offset: offset, size: i.mu.size, bytes: bytes}
	if length := min(end, i.mu.size) - offset; length > 0 {
		c.before = make([]byte, length)
		if _, err := i.read(c.before, offset); err != nil {
			return err
		}
	}
	i.mu.last++
	i.mu.changes = append(i.mu.changes, c)
	i.mu.modified = time.Now()
	return nil
}

// write changes the content.
func (i *inode) write(data []byte, offset int64) syscall.Errno {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.mu.content == nil {
		return syscall.ESTALE
	}
	end := offset + int64(len(data))
	if errno := i.grow(end); errno != 0 {
		return errno
	}
	if err := i.before(offset, end, int64(len(data))); err != nil {
		return fs.ToErrno(err)
	}
	if _, err := i.mu.content.WriteAt(data, offset); err != nil {
		return fs.ToErrno(err)
	}
	i.mu.size = max(i.mu.size, end)
	return 0
}

// resize truncates or extends the file.
func (i *inode) resize(size int64) syscall.Errno {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.mu.content == nil {
		return syscall.ESTALE
	}
	if size == i.mu.size {
		return 0
	}
	if errno := i.grow(size); errno != 0 {
		return errno
	}
	if err := i.before(size, i.mu.size, max(0, i.mu.size-size)); err != nil {
		return fs.ToErrno(err)
	}
	return fs.ToErrno(i.setSize(size))
}

// grow refuses to grow where the process's disk is full. Called with i.mu held.
func (i *inode) grow(to int64) syscall.Errno {
	if to <= i.mu.size {
		return 0
	}
	return i.faults.take(to - i.mu.size)
}

// setSize is called with i.mu held.
func (i *inode) setSize(size int64) error {
	if err := i.mu.content.Truncate(size); err != nil {
		return err
	}
	if size < i.mu.size {
		i.faults.use(size - i.mu.size)
	}
	i.mu.size = size
	return nil
}

// syncContent makes changes up to a number durable.
func (i *inode) syncContent(upTo uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	for n < len(i.mu.changes) && i.mu.changes[n].number <= upTo {
		n++
	}
	i.mu.changes = slices.Clone(i.mu.changes[n:]) // what is synced is not held in memory
}

// loseContent undoes what is not synced, but for the sectors and sizes that
// survive, and returns how many bytes of it are gone. Called with i.mu held.
func (i *inode) loseContent(survives func() bool) (bytes int64, err error) {
	for n := len(i.mu.changes) - 1; n >= 0; n-- {
		c := &i.mu.changes[n]
		if i.mu.size != c.size && !survives() {
			if grown := c.size - i.mu.size; grown > 0 {
				i.faults.use(grown)
			}
			if err := i.setSize(c.size); err != nil {
				return bytes, err
			}
		}
		gone, err := i.undo(c, survives)
		if bytes += gone; err != nil {
			return bytes, err
		}
	}
	i.mu.changes = nil
	return bytes, nil
}

// undo writes what was there before a change, sector by sector, and zeros where
// the file had ended.
func (i *inode) undo(c *change, survives func() bool) (gone int64, err error) {
	length := max(int64(len(c.before)), c.bytes)
	for from := int64(0); from < length; {
		to := min(length, from+sector-(c.offset+from)%sector)
		if !survives() {
			was := make([]byte, to-from)
			if from < int64(len(c.before)) {
				copy(was, c.before[from:])
			}
			if within := i.mu.size - c.offset - from; within > 0 {
				if _, err := i.mu.content.WriteAt(was[:min(within, to-from)], c.offset+from); err != nil {
					return gone, err
				}
			}
			gone += max(0, min(to, c.bytes)-from)
		}
		from = to
	}
	return gone, nil
}

package storage

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openDirect opens an open file once more, for reads past the system's cache: what
// it holds says nothing of what is on the disk. It returns nil where the file
// system does not have that.
func openDirect(f *os.File) *os.File {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	var direct *os.File
	err = raw.Control(func(fd uintptr) {
		// Not by its name: that may be another file's by now.
		direct, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_DIRECT, 0)
	})
	if err != nil || direct == nil {
		return nil
	}
	return direct
}

// dropCached has the system forget what it has of a file that is on the disk.
func dropCached(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) })
	}
}

package storage

import (
	"golang.org/x/sys/unix"
)

const (
	// aheadWindow is how far ahead of a scan its file is read at least, in bytes: little
	// enough that the log's fsyncs do not wait long behind it.
	aheadWindow = 1 << 20
	// aheadPiece is how much of it is asked for at a time: what Linux reads for one
	// call where a disk's read_ahead_kb is as it comes.
	aheadPiece = 128 << 10
)

// ahead has the system read a file before a scan comes there. A page that is not in
// memory is read when it is touched, each for itself, and the goroutine that does so
// keeps one of Go's processors until it is there. Scans of files that nobody had read
// for a while did that 600 times a second on each of five nodes, a sixth of their time
// on the processor, while partitions moved.
type ahead struct {
	f    *file
	next int64 // the first byte not asked for
}

// scanned is told how much of a file a scan has read, in bytes, and how large it is.
// Keys lie there more or less in their order where it was written by taking in a
// snapshot, and elsewhere not: so it is asked for twice as fast as it is scanned. The
// caller has a transaction open.
func (a *ahead) scanned(f *file, bytes, size int64) {
	if a.f != f {
		*a = ahead{f: f}
	}
	if from, to := a.due(bytes, size); from < to {
		_ = f.willNeed(from, to)
	}
}

// due returns what to ask for now: nothing twice, and not a little at a time.
func (a *ahead) due(bytes, size int64) (from, to int64) {
	from, to = a.next, min(size, (2*bytes+aheadWindow)/aheadPiece*aheadPiece) // madvise wants the start of a page
	if to < from+2*aheadPiece && to < size {
		return from, from
	}
	a.next = max(from, to)
	return from, a.next
}

// willNeed asks the system to have a part of the file, from the start of a page on, in
// memory soon. The caller has a transaction open, so that the file is not mapped anew.
// What is not read now is read when it is touched: an error harms nothing.
func (f *file) willNeed(from, to int64) error {
	f.mapping.Lock()
	defer f.mapping.Unlock()
	if f.closed {
		return ErrClosed // another mapping may have the addresses by now
	}
	data := f.db.Info().Data
	for ; from < to; from += aheadPiece {
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, data+uintptr(from), uintptr(min(aheadPiece, to-from)), unix.MADV_WILLNEED)
		if errno != 0 {
			return errno
		}
	}
	return nil
}

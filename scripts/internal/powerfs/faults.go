package powerfs

import (
	"sync"
	"syscall"
	"time"
)

// Faults is the disk of one process: the directory of that name at the top. Its
// methods may be called from any goroutine.
type Faults struct {
	mu         sync.Mutex
	held       [2]chan struct{} // by operation; closed when it may go on
	delay      [2]time.Duration
	errno      [2]syscall.Errno
	waiting    int
	used, size int64 // bytes; size 0: as much as the backing disk has
}

// Operation is what a fault concerns.
type Operation int

const (
	Sync  Operation = iota // fsync and fdatasync, of files and directories
	Write                  // of content, sizes and names
)

// Faults returns the disk of a process.
func (f *FS) Faults(process string) *Faults {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults(process)
}

// faults is called with FS.mu held.
func (f *FS) faults(process string) *Faults {
	if f.mu.faults[process] == nil {
		f.mu.faults[process] = &Faults{}
	}
	return f.mu.faults[process]
}

// Hold lets operations wait until release is called, or the power is lost. They
// are not held already.
func (d *Faults) Hold(o Operation) (release func()) {
	held := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[o] = held
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.held[o] == held {
			d.held[o] = nil
		}
		close(held)
	})
}

// Delay makes operations take longer. A sync covers what was written before it
// began, and nothing of that is durable before the delay is over.
func (d *Faults) Delay(o Operation, by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delay[o] = by
}

// Fail lets operations fail, and change nothing, with EIO or another error; 0
// lets them succeed again.
func (d *Faults) Fail(o Operation, errno syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errno[o] = errno
}

// Resize gives the process's disk a size, in bytes: what its files have together.
// Beyond it nothing grows (ENOSPC). 0: as large as the disk of the backing
// directory.
func (d *Faults) Resize(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size = bytes
}

// Waiting returns how many operations are held or delayed at this moment.
func (d *Faults) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting
}

// Used returns how many bytes the process's files have together.
func (d *Faults) Used() int64 {
	used, _ := d.space()
	return used
}

func (d *Faults) space() (used, size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used, d.size
}

func (d *Faults) use(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used += bytes
}

// take is use where there must be room.
func (d *Faults) take(bytes int64) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.size > 0 && d.used+bytes > d.size {
		return syscall.ENOSPC
	}
	d.used += bytes
	return 0
}

// wait returns when an operation may go on, with the error that it shall fail
// with; at once when the power is lost.
func (d *Faults) wait(o Operation, lost <-chan struct{}) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	held, delay := d.held[o], d.delay[o]
	if held != nil || delay > 0 {
		d.waiting++
		d.mu.Unlock()
		pause(delay, held, lost)
		d.mu.Lock()
		d.waiting--
	}
	return d.errno[o]
}

// pause ends after the delay, and once released is closed if it is there; or when
// lost is.
func pause(delay time.Duration, released, lost <-chan struct{}) {
	if released == nil {
		closed := make(chan struct{})
		close(closed)
		released = closed
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-lost:
		return
	}
	select {
	case <-released:
	case <-lost:
	}
}

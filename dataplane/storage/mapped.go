package storage

import (
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

const (
	// mappedMost is how much of all files may be mapped, in bytes. Above it
	// nothing stays mapped. (1 million small values: 350 MB of files.)
	mappedMost = 128 << 20
	// mappedEvery is how often that is looked at.
	mappedEvery = 100 * time.Millisecond
)

// mapped keeps the resident memory small that mapped files make: pages that were
// read stay mapped for ever otherwise. They stay in the system's cache without
// it, and are mapped again, 16 at a time, when they are read next: about 1 us.
type mapped struct {
	looked time.Time
}

// look unmaps the pages of all files where there are too many.
func (m *mapped) look(e *Engine, now time.Time) {
	if now.Sub(m.looked) < mappedEvery {
		return
	}
	m.looked = now
	if bytes, err := residentFiles(); err != nil || bytes < mappedMost {
		return // without /proc there is nothing to be seen, and nothing to be gained
	}
	for _, s := range e.allSlots() {
		// Whoever maps a file anew holds files: its pages stay where they are.
		if s.files.TryLock() {
			if f := e.fileOf(s); f != nil {
				f.unmapPages()
			}
			s.files.Unlock()
		}
	}
}

// unmapPages unmaps the pages of the file that were read. The caller sees to it
// that the file is not mapped anew meanwhile.
func (f *file) unmapPages() {
	f.mapping.Lock()
	defer f.mapping.Unlock()
	if f.closed {
		return // another mapping may have the addresses by now
	}
	_ = f.view(func(tx *bbolt.Tx) error {
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, f.db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		if errno != 0 {
			return errno
		}
		return nil
	}) // what is not unmapped is only memory that the system can take back
}

// residentFiles is how much of files, the program included, is in the process's
// resident memory, in bytes.
func residentFiles() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
		return 0, err
	}
	return shared * int64(os.Getpagesize()), nil
}

// allSlots returns the places of all partitions.
func (e *Engine) allSlots() []*slot {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*slot, 0, len(e.slots))
	for _, s := range e.slots {
		all = append(all, s)
	}
	return all
}

// fileOf returns the file of the slot's table, nil if it has none.
func (e *Engine) fileOf(s *slot) *file {
	e.mu.Lock()
	t := s.table
	e.mu.Unlock()
	if t == nil {
		return nil
	}
	return t.inUse()
}

package storage

import (
	"time"

	"golang.org/x/sys/unix"
)

// measureEvery is how often the free space of the disk is looked at. A disk that
// writes 200 MB/s fills a twentieth of the default reserve meanwhile.
const measureEvery = 100 * time.Millisecond

// space tells when the disk is nearly full: from when less than the reserve is
// free until there is clearly more again, so that a file that comes and goes
// does not let writes through and refuse them by turns.
type space struct {
	reserve, resume int64
	full            bool
}

// look takes what is free now, in bytes, and reports whether it is nearly full.
func (s *space) look(free int64) bool {
	if s.full {
		s.full = free < s.resume
	} else {
		s.full = free < s.reserve
	}
	return s.full
}

// freeSpace returns what an ordinary process may still write to the disk of a
// directory, in bytes.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// watchSpace looks at the disk until quit is closed.
func (e *Engine) watchSpace(quit <-chan struct{}) {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			e.measureDisk()
		}
	}
}

// measureDisk looks at the disk once. Only one goroutine does at a time.
func (e *Engine) measureDisk() {
	free, err := e.options.FreeSpace(e.options.Dir)
	if err != nil {
		return // the next write will say what is wrong
	}
	e.diskFree.Store(free)
	full := e.space.look(free)
	if full == e.diskFull.Swap(full) {
		return
	}
	if full {
		e.options.Logger.Warn("disk nearly full: writes are refused", "free", free, "reserve", e.space.reserve, "resume", e.space.resume)
	} else {
		e.options.Logger.Info("there is room on the disk again: writes go on", "free", free)
	}
}

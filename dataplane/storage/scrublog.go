package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
	"golang.org/x/sys/unix"
)

// log checks the log, as the next start would read it. What it holds and still
// needs to is in memory too, so damage is mended at once: a start would refuse
// the whole directory for it. It returns false at the engine's end.
func (s *scrubber) log() bool {
	l, durable := s.e.log, s.e.writer.durable.Load()
	state, err := l.segments() // after durable: what is the last segment now holds that batch, or one before does
	if err != nil {
		s.logFault(err)
		return true
	}
	for _, info := range state.Segments {
		last := info.MaxIndex
		if info.SealTime.IsZero() {
			last = durable
		}
		if last < info.BaseIndex {
			continue // nothing is in it yet
		}
		on, err := s.segment(l, info, last)
		if err != nil {
			s.logFault(err)
			return true // what is written anew is read in the next pass
		}
		if !on {
			return false
		}
	}
	return true
}

func (s *scrubber) logFault(err error) {
	s.e.metrics.scrubFaults.Inc()
	s.e.options.Logger.Error("the log is damaged; what it holds is flushed or written again, and the log cut behind the damage", "err", err)
	s.e.flusher.mend()
}

// segments reads which segments raft-wal has, and checks the log's salt.
func (l *sharedLog) segments() (state types.PersistentState, err error) {
	path := filepath.Join(l.dir, "wal-meta.db")
	err = guard(path, func() error {
		if state, err = l.meta.Load(l.dir); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		salt, err := stableUint64(l.meta, saltKey)
		if err == nil && salt != l.salt {
			err = fmt.Errorf("%w: its salt is %x, should be %x", ErrDamaged, salt, l.salt)
		}
		return err
	})
	return state, err
}

// needs tells from which batch on the segment is needed; false if not at all any
// more.
func (l *sharedLog) needs(info types.SegmentInfo) (from uint64, needed bool, err error) {
	state, err := l.segments()
	for _, now := range state.Segments {
		if now.ID == info.ID {
			return now.MinIndex, true, err
		}
	}
	return 0, false, err
}

// segment checks a segment's batches up to last. It returns false at the engine's
// end.
func (s *scrubber) segment(l *sharedLog, info types.SegmentInfo, last uint64) (on bool, err error) {
	path := filepath.Join(l.dir, segment.FileName(info))
	content, unmap, err := mapFile(path, !info.SealTime.IsZero())
	if err != nil {
		if _, needed, fault := l.needs(info); fault != nil || !needed {
			return true, fault // cut away meanwhile
		}
		if isShortage(err) {
			s.e.options.Logger.Warn("a file of the log was not checked in this pass", "file", path, "err", err)
			return true, nil
		}
		return true, fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	defer unmap()
	scan := &segmentScan{file: content, info: info, salt: l.salt, last: info.BaseIndex - 1}
	for scan.last < last {
		began, from, read := time.Now(), scan.end, int64(0)
		err := guard(path, func() error {
			for scan.last < last && read < scrubBatch {
				if _, ok := scan.next(); !ok {
					return fmt.Errorf("%w: batch %d: %s", ErrDamaged, scan.last+1, orElse(scan.fault, "nothing is there"))
				}
				read = int64(scan.end - from)
			}
			return nil
		})
		if err != nil {
			min, needed, fault := l.needs(info)
			if fault != nil || !needed {
				return true, fault
			}
			if skipped := scan.skipTo(min); !skipped {
				return true, err
			}
		}
		if !s.pay(read, time.Since(began)) {
			return false, nil
		}
	}
	return true, nil
}

// isShortage reports whether an error speaks of what the process has too little of,
// and not of the file.
func isShortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// mapFile maps a whole file, for reading. Where nobody writes to it any more, the
// system forgets first what it has of it in its cache.
func mapFile(path string, sealed bool) (content []byte, unmap func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size() == 0 {
		return nil, nil, errors.New("it is empty")
	}
	if sealed {
		dropCached(f)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var fault error
	err = raw.Control(func(fd uintptr) {
		content, fault = unix.Mmap(int(fd), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	})
	if err = errors.Join(err, fault); err != nil {
		return nil, nil, err
	}
	return content, func() { _ = unix.Munmap(content) }, nil
}

// identity checks store.json. What is in memory is right, and replaces it where
// it is not. It returns false at the engine's end.
func (s *scrubber) identity() bool {
	read, err := s.e.identity.restore()
	if err != nil {
		s.e.metrics.scrubFaults.Inc()
		s.e.options.Logger.Error("the store's file is damaged; it is written anew", slog.Any("err", err))
	}
	return s.pay(read, 0)
}

// restore compares the file with the state, and writes it anew if it differs.
func (f *identityFile) restore() (read int64, fault error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	want, err := f.now.encode()
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile(f.path)
	switch {
	case err != nil:
		fault = fmt.Errorf("%s: %w: %w", f.path, ErrDamaged, err)
	case string(b) != string(want):
		fault = fmt.Errorf("%s: %w: it is not as it was written", f.path, ErrDamaged)
	default:
		return int64(len(b)), nil
	}
	return int64(len(b)), errors.Join(fault, replaceFile(f.path, want))
}

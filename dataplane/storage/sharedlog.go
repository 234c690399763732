package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// damagedLogHelp is what an operator can do about a damaged log.
const damagedLogHelp = "records that were acknowledged may be gone, so this store must not be used: " +
	"move the data directory away and start the node with an empty one, and it is rebuilt from the other replicas"

// sharedLog is the node's log: batches with consecutive indexes, in raft-wal's
// segment files. raft-wal writes, rotates and cuts them; reading them at the
// start is done here, because raft-wal takes damage at the end of the last
// segment for a write that was cut short, whatever follows it.
type sharedLog struct {
	dir    string
	files  types.VFS // raft-wal's; what is read and repaired at the start goes past it
	salt   uint64
	meta   *metadb.BoltMetaDB
	wal    *wal.WAL
	next   uint64 // index of the next batch; the writer's
	logger *slog.Logger
}

// openLog opens the log in dir and gives all its batches to yield, in order.
// Everything given was synced before. known says that the log was there before
// and had reached logEnd; otherwise it is made. The batch aliases a buffer that
// is used again.
func openLog(dir string, files types.VFS, known bool, logEnd uint64, segmentSize int, logger *slog.Logger, yield func(index uint64, batch []byte) error) (*sharedLog, error) {
	metaPath := filepath.Join(dir, metadb.FileName)
	if _, err := os.Stat(metaPath); known && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open log: %s is %w: it is gone; %s", metaPath, ErrDamaged, damagedLogHelp)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &sharedLog{dir: dir, files: files, meta: &metadb.BoltMetaDB{}, logger: logger}
	if err := l.open(known, logEnd, segmentSize, metaPath, yield); err != nil {
		return nil, fmt.Errorf("open log: %w", errors.Join(err, l.close()))
	}
	return l, nil
}

func (l *sharedLog) open(known bool, logEnd uint64, segmentSize int, metaPath string, yield func(index uint64, batch []byte) error) error {
	var state types.PersistentState
	if err := guard(metaPath, func() (err error) { state, err = l.meta.Load(l.dir); return err }); err != nil {
		return err
	}
	if err := l.identify(known, state, metaPath); err != nil {
		return err
	}
	if err := l.read(&state, yield); err != nil {
		return err
	}
	if l.next <= logEnd {
		return fmt.Errorf("%s is %w: the log ends with batch %d, but had reached %d; %s", l.dir, ErrDamaged, l.next-1, logEnd, damagedLogHelp)
	}
	if err := l.meta.CommitState(state); err != nil {
		return err
	}
	var err error
	l.wal, err = wal.Open(l.dir, wal.WithMetaStore(l.meta),
		wal.WithSegmentFiler(newSegmentFiler(l.dir, l.files, l.meta)), wal.WithSegmentSize(segmentSize),
		wal.WithLogger(hclog.New(&hclog.LoggerOptions{Output: walMessages{l.logger}, Level: hclog.Warn, DisableTime: true})))
	if err != nil {
		return err
	}
	last, err := l.wal.LastIndex()
	if err != nil {
		return err
	}
	if last != 0 && last != l.next-1 {
		return fmt.Errorf("%s is %w: its last batch is %d for the writer, %d for the reader", l.dir, ErrDamaged, last, l.next-1)
	}
	return syncDir(l.dir)
}

// identify reads the log's salt, or gives it one.
func (l *sharedLog) identify(known bool, state types.PersistentState, metaPath string) (err error) {
	if l.salt, err = stableUint64(l.meta, saltKey); err != nil {
		return err
	}
	switch {
	case l.salt != 0:
		return nil
	case known || len(state.Segments) > 0:
		return fmt.Errorf("%s is %w: it has no salt; %s", metaPath, ErrDamaged, damagedLogHelp)
	}
	l.salt = randomID()
	salt := make([]byte, 0, 8)
	for shift := 0; shift < 64; shift += 8 {
		salt = append(salt, byte(l.salt>>shift))
	}
	return l.meta.SetStable(saltKey, salt)
}

// read gives all batches to yield, and leaves the last segment's file so that
// raft-wal finds a clean end in it.
func (l *sharedLog) read(state *types.PersistentState, yield func(index uint64, batch []byte) error) error {
	created, err := stableUint64(l.meta, createdKey)
	if err != nil {
		return err
	}
	l.next = 1
	var buf []byte
	for i := range state.Segments {
		info := state.Segments[i]
		tail := info.SealTime.IsZero()
		path := filepath.Join(l.dir, segment.FileName(info))
		damaged := func(why string) error {
			return fmt.Errorf("log file %s is %w: %s; %s", path, ErrDamaged, why, damagedLogHelp)
		}
		if i > 0 && info.BaseIndex != l.next {
			return damaged(fmt.Sprintf("it begins with batch %d, and the one before it ends with %d", info.BaseIndex, l.next-1))
		}
		buf, err = readInto(buf, path)
		if errors.Is(err, os.ErrNotExist) && tail && created < info.ID {
			l.next = info.BaseIndex
			return nil // a crash came between naming and making it
		}
		if errors.Is(err, os.ErrNotExist) {
			return damaged("it is gone")
		}
		if err != nil {
			return err
		}
		if tail && created >= info.ID && len(buf) < int(info.SizeLimit) {
			return damaged(fmt.Sprintf("it has %d bytes, and was made with %d", len(buf), info.SizeLimit))
		}
		if err := syncFile(path); err != nil {
			return err
		}
		scan, err := scanSegment(buf, info, l.salt, info.MinIndex, info.MaxIndex, yield)
		if err != nil {
			return damaged(err.Error())
		}
		l.next = scan.last + 1
		if !tail {
			if scan.last != info.MaxIndex {
				return damaged(fmt.Sprintf("it ends with batch %d, not %d: %s", scan.last, info.MaxIndex, scan.fault))
			}
			continue
		}
		if index, at, found := laterBatch(buf, scan.end, l.salt, l.next); found {
			return damaged(fmt.Sprintf("%s, but batch %d follows at byte %d", orElse(scan.fault, fmt.Sprintf("nothing at byte %d", scan.end)), index, at))
		}
		if err := l.cleanTail(path, buf, scan); err != nil {
			return err
		}
		if scan.indexStart > 0 {
			sealTail(state, scan)
		}
	}
	return nil
}

// cleanTail removes what a write that was cut short left behind the last batch.
func (l *sharedLog) cleanTail(path string, content []byte, scan *segmentScan) error {
	cleared, err := zeroTail(path, content, scan.end)
	if err != nil {
		return err
	}
	if cleared > 0 {
		l.logger.Warn("the last write to the log was cut short and is dropped: it was never acknowledged",
			"file", path, "offset", scan.end, "bytes", cleared, "batch", scan.last+1)
	}
	return nil
}

// sealTail finishes a rotation that a crash came between: raft-wal had sealed
// the last segment's file and not noted it, and would not write to it again.
func sealTail(state *types.PersistentState, scan *segmentScan) {
	state.Segments = slices.Clone(state.Segments)
	tail := &state.Segments[len(state.Segments)-1]
	tail.SealTime, tail.MaxIndex, tail.IndexStart = time.Now(), scan.last, scan.indexStart
	state.Segments = append(state.Segments, types.SegmentInfo{
		ID: state.NextSegmentID, BaseIndex: scan.last + 1, MinIndex: scan.last + 1,
		Codec: tail.Codec, CreateTime: tail.SealTime, SizeLimit: tail.SizeLimit,
	})
	state.NextSegmentID++
}

// write appends a batch, whose header it fills in, and syncs it. The log must
// not be used again after an error.
func (l *sharedLog) write(batch []byte) (index uint64, err error) {
	index = l.next
	finishBatch(batch, l.salt, index)
	if err := l.wal.StoreLogs([]*raft.Log{{Index: index, Data: batch}}); err != nil {
		return 0, fmt.Errorf("write log batch %d in %s: %w", index, l.dir, err)
	}
	l.next++
	return index, nil
}

// cut removes the batches before the one with that index.
func (l *sharedLog) cut(index uint64) error {
	if index <= 1 {
		return nil
	}
	if err := l.wal.DeleteRange(0, index-1); err != nil {
		return fmt.Errorf("cut log in %s before batch %d: %w", l.dir, index, err)
	}
	return nil
}

func (l *sharedLog) close() error {
	var errs []error
	if l.wal != nil {
		errs = append(errs, l.wal.Close())
	}
	return errors.Join(append(errs, l.meta.Close())...)
}

// guard turns a panic of bbolt, which is how it reports pages that make no
// sense, and a fault where the mapped file is cut short or the disk cannot read
// it, into an error that names the file.
func guard(path string, f func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			err = fmt.Errorf("%s is %w: %v", path, ErrDamaged, p)
		}
	}()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/raft-wal/types"
)

// The layout of raft-wal's segment files, as its README describes it.
const (
	segmentHeaderSize = 32
	segmentMagic      = 0x58eb6b0d
	frameHeaderSize   = 8
	frameEntry        = 1
	frameIndex        = 2
	frameCommit       = 3
)

// segmentScan reads a segment file, batch by batch, from its start.
type segmentScan struct {
	file []byte
	info types.SegmentInfo
	salt uint64

	last       uint64 // index of the last good batch; the base less one if there is none
	end        int    // offset behind the last good batch
	indexStart uint64 // where the index is, if the last good batch sealed the segment
	fault      string // why the scan ended, if not at the end of what was written
}

// scanSegment checks the batches of a segment file against their checksums, and
// gives them to yield in order, from index from on, up to and with index last
// (zero: as far as they go). It stops at the first that is not good. The batch
// given to yield aliases file.
func scanSegment(file []byte, info types.SegmentInfo, salt, from, last uint64, yield func(index uint64, batch []byte) error) (*segmentScan, error) {
	s := &segmentScan{file: file, info: info, salt: salt, last: info.BaseIndex - 1}
	for last == 0 || s.last < last {
		batch, ok := s.next()
		if !ok && s.fault != "" && s.skipTo(from) {
			continue // damage in what was cut away already does not matter
		}
		if !ok {
			break
		}
		if s.last >= from {
			if err := yield(s.last, batch); err != nil {
				return s, fmt.Errorf("batch %d, which ends at byte %d: %w", s.last, s.end, err)
			}
		}
	}
	return s, nil
}

// next returns the records of the next batch.
func (s *segmentScan) next() (records []byte, ok bool) {
	at, summed := s.end, s.end
	if at == 0 {
		if allZero(s.file[:min(len(s.file), segmentHeaderSize+frameHeaderSize)]) {
			return nil, false
		}
		if err := checkSegmentHeader(s.file, s.info); err != nil {
			return s.stop("%v", err)
		}
		at = segmentHeaderSize // the first commit's checksum covers the header too
	}
	if at+frameHeaderSize > len(s.file) || allZero(s.file[at:at+frameHeaderSize]) {
		return nil, false
	}
	payload, next, ok := frame(s.file, at, frameEntry)
	if !ok {
		return s.stop("no batch at byte %d", at)
	}
	var indexStart uint64
	if _, after, ok := frame(s.file, next, frameIndex); ok {
		indexStart, next = uint64(next+frameHeaderSize), after
	}
	if next+frameHeaderSize > len(s.file) || s.file[next] != frameCommit {
		return s.stop("no commit at byte %d", next)
	}
	if checksum(s.file[summed:next]) != binary.LittleEndian.Uint32(s.file[next+4:]) {
		return s.stop("wrong checksum of the batch at byte %d", at)
	}
	batch, wrapped := unwrap(payload)
	index, length, ok := batchHeader(batch, s.salt)
	if !wrapped || !ok || index != s.last+1 || length != len(batch)-batchHeaderSize {
		return s.stop("wrong header of the batch at byte %d", at)
	}
	s.last, s.indexStart, s.end = index, indexStart, next+frameHeaderSize
	return batch[batchHeaderSize:], true
}

func (s *segmentScan) stop(why string, args ...any) ([]byte, bool) {
	s.fault = fmt.Sprintf(why, args...)
	return nil, false
}

// skipTo goes on at the batch with that index, if it lies ahead.
func (s *segmentScan) skipTo(index uint64) bool {
	if s.last+1 >= index {
		return false
	}
	found, at, ok := laterBatch(s.file, s.end, s.salt, index-1)
	if !ok || found != index {
		return false
	}
	_, length, _ := batchHeader(s.file[at:], s.salt)
	at -= wrapping(index, batchHeaderSize+length) + frameHeaderSize
	if at <= s.end {
		return false
	}
	s.last, s.end, s.fault = index-1, at, ""
	return true
}

func checkSegmentHeader(file []byte, info types.SegmentInfo) error {
	if len(file) < segmentHeaderSize {
		return fmt.Errorf("only %d bytes", len(file))
	}
	for _, f := range []struct {
		field     string
		got, want uint64
	}{
		{"magic number", uint64(binary.LittleEndian.Uint32(file)), segmentMagic},
		{"flags and version", uint64(binary.LittleEndian.Uint32(file[4:])), 0},
		{"first index", binary.LittleEndian.Uint64(file[8:]), info.BaseIndex},
		{"segment ID", binary.LittleEndian.Uint64(file[16:]), info.ID},
		{"codec", binary.LittleEndian.Uint64(file[24:]), info.Codec},
	} {
		if f.got != f.want {
			return fmt.Errorf("header has %s %d, want %d", f.field, f.got, f.want)
		}
	}
	return nil
}

// frame returns the payload of the frame of that type at an offset, and the
// offset behind it.
func frame(file []byte, at int, kind byte) (payload []byte, next int, ok bool) {
	if at+frameHeaderSize > len(file) || file[at] != kind {
		return nil, 0, false
	}
	length := int(binary.LittleEndian.Uint32(file[at+4:]))
	start := at + frameHeaderSize
	if length > len(file)-start {
		return nil, 0, false
	}
	next = start + (length+frameHeaderSize-1)/frameHeaderSize*frameHeaderSize
	return file[start : start+length], next, next <= len(file)
}

// laterBatch looks behind a fault for the start of a batch with an index above
// the given one. A batch is written only once the one before it is synced, so
// if there is one, then what is at the fault was on disk and acknowledged, and
// is damaged: not a write that a crash cut short.
func laterBatch(file []byte, at int, salt, above uint64) (index uint64, offset int, found bool) {
	var want [8]byte
	binary.LittleEndian.PutUint64(want[:], salt)
	for at < len(file) {
		i := bytes.Index(file[at:], want[:])
		if i < 0 {
			return 0, 0, false
		}
		at += i
		if index, _, ok := batchHeader(file[at:], salt); ok && index > above {
			return index, at, true
		}
		at++
	}
	return 0, 0, false
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// zeroTail overwrites what a crash left behind the last good batch, and syncs
// the file. content is what the file holds.
func zeroTail(path string, content []byte, from int) (cleared int, err error) {
	for end := len(content); end > from; end-- {
		if content[end-1] != 0 {
			cleared = end - from
			break
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	if cleared > 0 {
		if _, err := f.WriteAt(make([]byte, cleared), int64(from)); err != nil {
			return 0, join(err, f)
		}
	}
	if err := f.Sync(); err != nil {
		return 0, join(err, f)
	}
	return cleared, f.Close()
}

// readInto reads a whole file into buf, which grows if it has to.
func readInto(buf []byte, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return buf, err
	}
	info, err := f.Stat()
	if err != nil {
		return buf, join(err, f)
	}
	size := int(info.Size())
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if _, err := io.ReadFull(f, buf); err != nil {
		return buf, join(err, f)
	}
	return buf, f.Close()
}

package storage

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// Keys of ours in the log's own meta file.
var (
	saltKey    = []byte("holdfast-salt")    // the random number in every batch header
	createdKey = []byte("holdfast-created") // ID of the last segment whose file was made
)

// segmentFiler makes the log's files. raft-wal takes a last segment that is not
// there for one that a crash kept from being made; this notes durably that it
// was made, and complete in size, so that a lost or shortened one is noticed.
type segmentFiler struct {
	*segment.Filer
	dir  string
	meta types.MetaStore
}

func newSegmentFiler(dir string, files types.VFS, meta types.MetaStore) *segmentFiler {
	return &segmentFiler{Filer: segment.NewFiler(dir, logFiles{files}), dir: dir, meta: meta}
}

// Create implements types.SegmentFiler.
func (f *segmentFiler) Create(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := f.Filer.Create(info)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(f.dir, segment.FileName(info))
	if err := syncFile(path); err != nil {
		return nil, join(err, w)
	}
	if err := syncDir(f.dir); err != nil {
		return nil, join(err, w)
	}
	if err := f.meta.SetStable(createdKey, binary.LittleEndian.AppendUint64(nil, info.ID)); err != nil {
		return nil, join(err, w)
	}
	return w, nil
}

// stableUint64 reads a number of ours from the log's meta file; zero is none.
func stableUint64(meta types.MetaStore, key []byte) (uint64, error) {
	b, err := meta.GetStable(key)
	if err != nil {
		return 0, err
	}
	switch len(b) {
	case 0:
		return 0, nil
	case 8:
		return binary.LittleEndian.Uint64(b), nil
	}
	return 0, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, key, len(b))
}

// unwrap takes a batch out of the raft.Log that raft-wal's own codec made of it:
// index, term and type as varints, then the data with its length before it.
// (raft-wal 0.4 does not open again what it wrote with another codec.)
func unwrap(payload []byte) (batch []byte, ok bool) {
	r := reader{b: payload}
	for _, field := range []string{"index", "term", "type"} {
		r.uvarint(field)
	}
	batch = r.bytes("data")
	return batch, r.err == nil
}

// wrapping is how many bytes stand before a batch in its frame.
func wrapping(index uint64, length int) int {
	return len(binary.AppendUvarint(binary.AppendUvarint(nil, index), uint64(length))) + 2
}

// walMessages turns what raft-wal logs, which is only trouble, into slog.
type walMessages struct{ logger *slog.Logger }

func (m walMessages) Write(b []byte) (int, error) {
	m.logger.Warn("the log's files", "err", strings.TrimSpace(string(b)))
	return len(b), nil
}

package storage

import (
	"bytes"
	"testing"

	"github.com/hashicorp/raft-wal/types"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func exampleRecords() []record {
	return []record{
		{kind: entryRecord, partition: 3, lineage: lineage, entry: put(1, "key", "value")},
		{kind: adoptedRecord, partition: 3, lineage: lineage, epoch: 9},
		{kind: adoptedRecord, partition: 3, lineage: lineage, epoch: 9, configuration: adoptedIn(3, 9)},
		{kind: openedRecord, partition: 1 << 31, lineage: 1, generation: 2},
		{kind: installedRecord, partition: 3, lineage: 1, generation: 2, applied: entry.Position{Sequence: 5, Epoch: 6}},
		{kind: droppedRecord, partition: 3, generation: 3},
		{kind: flushedRecord, partition: 3, generation: 3, applied: entry.Position{Sequence: 5, Epoch: 6}},
		{kind: checkpointRecord, copies: []copyFacts{
			{partition: 1, generation: 1, present: true, lineage: 5, adopted: 6, configuration: adoptedIn(1, 6)},
			{partition: 2, generation: 7, file: true, flushed: entry.Position{Sequence: 1 << 40, Epoch: 3}},
		}},
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range exampleRecords() {
		f.Add(appendRecord(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			r, rest, err := decodeRecord(b)
			if err != nil {
				return
			}
			used := b[:len(b)-len(rest)]
			if again := appendRecord(nil, &r); !bytes.Equal(again, used) {
				t.Fatalf("decoded %x, encoded %x", used, again)
			}
			b = rest
		}
	})
}

// FuzzDecodeRecordBody looks behind the checksum.
func FuzzDecodeRecordBody(f *testing.F) {
	for _, r := range exampleRecords() {
		f.Add(appendRecord(nil, &r)[recordHeaderSize:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := seal(nil, 0)[:0]
		b = append(b, byte(len(body)), byte(len(body)>>8), byte(len(body)>>16), byte(len(body)>>24))
		sum := checksum(body)
		b = append(b, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
		b = append(b, body...)
		r, _, err := decodeRecord(b)
		if err != nil {
			return
		}
		if again := appendRecord(nil, &r); !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encoded %x", b, again)
		}
	})
}

func FuzzReplay(f *testing.F) {
	var all []byte
	all = appendRecord(all, &record{kind: checkpointRecord})
	all = appendRecord(all, &record{kind: openedRecord, partition: 1, lineage: lineage, generation: 1})
	for _, e := range puts(1, 3, 5) {
		all = appendRecord(all, &record{kind: entryRecord, partition: 1, lineage: lineage, entry: e})
	}
	f.Add(all)
	f.Fuzz(func(_ *testing.T, b []byte) {
		r := &replay{catalogue: newCatalogue(), retention: newRetention(), logs: map[partition.ID]*copyLog{},
			applied: func(partition.ID, uint64) uint64 { return 1 }}
		_ = r.batch(1, b)
	})
}

func FuzzDecodeStore(f *testing.F) {
	whole, err := storeState{FormatVersion: formatVersion, NodeID: "n1", StoreID: 255, Start: partition.Start{Incarnation: 3, ID: 4}, Since: []partition.Start{{Incarnation: 2, ID: 9}}, HeldPromise: 1250e6, LogEnd: 7}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"format_version":9}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeStore(b)
		if err != nil {
			return
		}
		if again, err := s.encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q became %q, %v", b, again, err)
		}
	})
}

func FuzzDecodeChunk(f *testing.F) {
	b := beginChunk(0, 100)
	b = appendItem(b, &chunkItem{kind: itemHeader, header: snapshotHeader{partition: 1, lineage: 2, applied: entry.Position{Sequence: 3, Epoch: 4}, hash: 5}})
	b = appendItem(b, &chunkItem{kind: itemValue, key: []byte("k"), stored: appendValue(nil, []byte("k"), entry.Version{Sequence: 1, Expires: 9}, []byte("v"))})
	b = appendItem(b, &chunkItem{kind: itemSession, origin: 7, stored: (&session{boot: 1}).encode(7)})
	b = appendItem(b, &chunkItem{kind: itemKeyed, key: []byte("0123456789abcdef"), stored: encodeKeyed(entry.IdempotencyID{}, &entry.Remembered{})})
	b = appendItem(b, &chunkItem{kind: itemEnd, totals: snapshotTotals{1, 1, 1, 2, 3}})
	f.Add(b)
	f.Fuzz(func(t *testing.T, body []byte) {
		again := beginChunk(0, len(body))
		if err := decodeChunk(seal(bytes.Clone(body), 0), 0, func(i *chunkItem) error {
			again = appendItem(again, i)
			return nil
		}); err != nil {
			return
		}
		if !bytes.Equal(again, body) {
			t.Fatalf("decoded %x, encoded %x", body, again)
		}
	})
}

func FuzzDecodeSession(f *testing.F) {
	f.Add((&session{boot: 3, lowest: 5, results: []remembered{{7, entry.Result{Sequence: 9, Existed: true}}, {9, entry.Result{Sequence: 10}}}}).encode(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSession(1, b)
		if err != nil {
			return
		}
		if again := s.encode(1); !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encoded %x", b, again)
		}
	})
}

func FuzzDecodeKeyed(f *testing.F) {
	id := entry.IdempotencyID{1, 2, 3}
	f.Add(id[:], encodeKeyed(id, &entry.Remembered{Fingerprint: entry.Fingerprint{4}, Logged: 5000, Result: entry.Result{Sequence: 9, Existed: true}}))
	f.Fuzz(func(t *testing.T, key, b []byte) {
		id, m, err := decodeKeyed(key, b)
		if err != nil {
			return
		}
		if again := encodeKeyed(id, &m); !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encoded %x", b, again)
		}
	})
}

func FuzzStoredValue(f *testing.F) {
	f.Add([]byte("k"), appendValue(nil, []byte("k"), entry.Version{Sequence: 7}, []byte("v")))
	f.Add([]byte("k"), appendValue(nil, []byte("k"), entry.Version{Sequence: 7, Expires: 1}, nil))
	f.Fuzz(func(t *testing.T, key, b []byte) {
		value, version, err := storedValue(key, b)
		if err != nil {
			return
		}
		if again := appendValue(nil, key, version, value); !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encoded %x", b, again)
		}
	})
}

func FuzzDecodeFileMeta(f *testing.F) {
	f.Add((&fileMeta{store: 1, partition: 2, lineage: 3, generation: 4, applied: entry.Position{Sequence: 5, Epoch: 6}, hash: 7, logEnd: 8}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeFileMeta(b)
		if err != nil {
			return
		}
		if again := m.encode(); !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encoded %x", b, again)
		}
	})
}

func FuzzScanSegment(f *testing.F) {
	info := types.SegmentInfo{BaseIndex: 1, ID: 1, Codec: 1}
	f.Add([]byte{}, uint64(1))
	header := append([]byte{0x0d, 0x6b, 0xeb, 0x58, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0},
		frameEntry, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, frameCommit, 0, 0, 0, 1, 2, 3, 4)
	f.Add(header, uint64(1))
	f.Fuzz(func(t *testing.T, file []byte, salt uint64) {
		s, err := scanSegment(file, info, salt, 1, 0, func(uint64, []byte) error { return nil })
		if err != nil || s.end > len(file) {
			t.Fatal(s, err)
		}
		laterBatch(file, s.end, salt, s.last+1)
	})
}

package dataplane

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

func TestSnapshotPartsSurviveTheirEncoding(t *testing.T) {
	t.Parallel()
	meta := replica.SnapshotMeta{Partition: 5, Epoch: 9, Lineage: 77, ID: 3, Applied: entry.Position{Sequence: 1 << 40, Epoch: 8}, Estimated: 1 << 33}
	id := stream{partition: 5, id: 3}
	kind, got, rest, err := decodePart(appendMeta(appendPart(nil, partBegin, id), &meta))
	if err != nil || kind != partBegin || got != id {
		t.Fatalf("decoded part %d of %+v, %v", kind, got, err)
	}
	if m, err := decodeMeta(got, rest); err != nil || m != meta {
		t.Errorf("decoded %+v, %v; want %+v", m, err, meta)
	}
}

func TestPartAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ told, want error }{
		{nil, nil},
		{errUnwanted, errUnwanted},
		{errNoStream, errNoStream},
		{errTooMany, errPart},
	} {
		if got := decodePartAnswer(partAnswer(test.told)); !errors.Is(got, test.want) {
			t.Errorf("%v came as %v, want %v", test.told, got, test.want)
		}
	}
	for _, b := range [][]byte{nil, {9}, {partTaken, 1}} {
		if decodePartAnswer(b) == nil {
			t.Errorf("answer %x means success", b)
		}
	}
}

func TestResumeAnswers(t *testing.T) {
	t.Parallel()
	if taken, err := decodeResumeAnswer(resumeAnswer(1 << 40)); taken != 1<<40 || err != nil {
		t.Errorf("%d, %v", taken, err)
	}
	if _, err := decodeResumeAnswer(partAnswer(errNoStream)); !errors.Is(err, errNoStream) {
		t.Errorf("no stream came as %v", err)
	}
	for _, b := range [][]byte{nil, {partAt}, {partTaken}, append(resumeAnswer(1), 0)} {
		if _, err := decodeResumeAnswer(b); err == nil {
			t.Errorf("answer %x means success", b)
		}
	}
}

func FuzzPartAnswer(f *testing.F) {
	f.Add(resumeAnswer(7))
	f.Add(partAnswer(errUnwanted))
	f.Fuzz(func(t *testing.T, b []byte) {
		if taken, err := decodeResumeAnswer(b); err == nil && !bytes.Equal(resumeAnswer(taken), b) {
			t.Errorf("%x decodes to %d", b, taken)
		}
		if err := decodePartAnswer(b); err == nil && !bytes.Equal(partAnswer(nil), b) {
			t.Errorf("%x means success", b)
		}
	})
}

func FuzzPart(f *testing.F) {
	f.Add(appendMeta(appendPart(nil, partBegin, stream{partition: 1, id: 2}), &replica.SnapshotMeta{Lineage: 3}))
	f.Add(appendMeta(appendPart(nil, partResume, stream{partition: 1, id: 2}), &replica.SnapshotMeta{Epoch: 4}))
	f.Add(appendPart(nil, partGivenUp, stream{partition: 1, id: 2}))
	f.Add(append(appendPart(nil, partChunk, stream{partition: 1, id: 2}), "chunk"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, s, rest, err := decodePart(b)
		if err != nil {
			return
		}
		if again := append(appendPart(nil, kind, s), rest...); !bytes.Equal(again, b) {
			t.Errorf("%x decodes to what encodes to %x", b, again)
		}
		if m, err := decodeMeta(s, rest); err == nil && !bytes.Equal(appendMeta(nil, &m), rest) {
			t.Errorf("meta %x decodes to %+v", rest, m)
		}
	})
}

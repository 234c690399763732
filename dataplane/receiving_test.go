package dataplane

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// A snapshot is being put in its place when its connection goes, and another
// one of the partition begins. To make that one's file would end the first
// between disk and memory: the one would have the new copy, the other the old.
func TestASnapshotBeginsWhenTheOneBeforeHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var happened []string
		goOn := make(chan struct{})
		r := &receiving{
			packer: testPacker(t),
			create: func(partition.ID, uint32, entry.Position) (*storage.Receiver, error) {
				happened = append(happened, "created")
				return &storage.Receiver{}, nil
			},
			wants: func(_ replica.SnapshotMeta, done func(bool)) { done(true) },
			begins: func(_ replica.SnapshotMeta, done func(bool)) {
				<-goOn
				happened = append(happened, "ended")
				done(false)
			},
			count: func(string) {}, partitions: 8, open: map[receivingKey]*receivedStream{},
		}
		request := func(from *session, kind part, id uint64, meta []byte) {
			r.request(from, append(appendPart(nil, kind, stream{partition: 5, id: id}), meta...), func([]byte) {})
			synctest.Wait()
		}
		meta := appendMeta(nil, &replica.SnapshotMeta{Applied: entry.Position{Sequence: 9, Epoch: 1}})
		first, second := &session{}, &session{}
		request(first, partBegin, 1, meta)
		request(first, partEnd, 1, nil)
		r.gone(first)
		request(second, partBegin, 1, meta)
		close(goOn)
		synctest.Wait()
		r.close()
		if want := []string{"created", "ended", "created"}; !slices.Equal(happened, want) {
			t.Fatalf("%q, want %q", happened, want)
		}
	})
}

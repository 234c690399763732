package dataplane

import (
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
)

// The executor's side of taking in a snapshot. From begins to installed or kept
// the partition's files are being replaced: its replica, which was a learner
// with nothing that the snapshot lacks, does nothing meanwhile that the
// replacement would lose.

// wants asks whether a snapshot is of use.
func (e *executor) wants(meta replica.SnapshotMeta, done func(bool)) {
	e.ask(func(e *executor, _ replica.Time) {
		done(e.lanes[laneOf(meta.Partition)].group.WantsSnapshot(meta))
	}, func() { done(false) })
}

// begins asks the same, and if so holds the replica.
func (e *executor) begins(meta replica.SnapshotMeta, done func(bool)) {
	e.ask(func(e *executor, _ replica.Time) {
		done(e.lanes[laneOf(meta.Partition)].group.BeginsSnapshot(meta))
	}, func() { done(false) })
}

// kept ends the hold: the old copy stays.
func (e *executor) kept(meta replica.SnapshotMeta) {
	e.ask(func(e *executor, _ replica.Time) {
		e.lanes[laneOf(meta.Partition)].group.SnapshotKept(meta.Partition)
	}, func() {})
}

// installed ends the hold with the state that the snapshot has become.
func (e *executor) installed(meta replica.SnapshotMeta, table *storage.Table, done func()) {
	e.ask(func(e *executor, t replica.Time) {
		e.install(meta.Partition, table)
		meta.Logged = table.Logged()
		e.touch(laneOf(meta.Partition)).SnapshotInstalled(t, meta, table)
		done()
	}, done)
}

// ask adds an event, or calls otherwise where the executor has ended.
func (e *executor) ask(f event, otherwise func()) {
	if !e.inbox.event(f) {
		otherwise()
	}
}

package dataplane

import (
	"sync/atomic"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// slot is what readers outside the executor know of a partition's copy: its
// state, and the view of the replica that goes with that state. It is immutable
// and replaced as a whole, so a view is never taken with another copy's state.
type slot struct {
	table *storage.Table
	view  *replica.View // nil: nothing may be read but ?consistency=stale
}

// slots has one for each partition, nil where there is no copy.
type slots []atomic.Pointer[slot]

// install sets the state of a copy; its view comes with the next publication.
func (s slots) install(id partition.ID, table *storage.Table) {
	s[id].Store(&slot{table: table})
}

// publish sets the view of a copy, and reports whether it begins to serve.
// Only the partition's executor calls it.
func (s slots) publish(id partition.ID, view *replica.View) (begins bool) {
	old := s[id].Load()
	if old == nil || view == nil {
		return false
	}
	s[id].Store(&slot{table: old.table, view: view})
	return view.Serving && (old.view == nil || !old.view.Serving || old.view.Lineage != view.Lineage)
}

// readResult is what became of a linearizable read from the state here.
type readResult uint8

const (
	readElsewhere readResult = iota // no lease and no grant here: the primary answers
	readDirty                       // a grant, but the key is dirty: the primary answers (R1)
	readTTL                         // the value has an end: the primary's replica judges it
	readLocal                       // answered
	readResults
)

// read gives a linearizable answer to a read from the state here, if the lease
// or the grant allows it. The order is that of replica.View.MayRead: the value
// first, then the view, then the clock; at a secondary, before all of them,
// whether the key is clean. State and epoch must be the same before and after: a
// reader that stood still may hold a value from a time when another node was
// primary, and then find this node to be primary again.
func (s slots) read(op *replica.Operation, now func() replica.Time) (replica.Answer, readResult) {
	if int(op.Partition) >= len(s) {
		return replica.Answer{}, readElsewhere
	}
	before := s[op.Partition].Load()
	if before == nil || before.view == nil {
		return replica.Answer{}, readElsewhere
	}
	if v := before.view; !v.Serving {
		if v.GrantUntil == 0 {
			return replica.Answer{}, readElsewhere
		}
		if !v.Unapplied.Clean(op.Key) {
			return replica.Answer{}, readDirty
		}
	}
	a, expires, ok := lookup(before.table, op)
	switch {
	case !ok:
		return a, readElsewhere
	case expires:
		return replica.Answer{}, readTTL
	}
	after := s[op.Partition].Load()
	if !before.vouchedBy(after, now) {
		return replica.Answer{}, readElsewhere
	}
	a.Epoch, a.Lineage = after.view.Epoch, after.view.Lineage
	return a, readLocal
}

// vouchedBy reports whether what was read from a slot may be answered, judged
// by the slot taken after it was read.
func (s *slot) vouchedBy(after *slot, now func() replica.Time) bool {
	if after.table != s.table || after.view == nil || after.view.Epoch != s.view.Epoch {
		return false
	}
	t := now()
	return after.view.MayRead(t) || after.view.MayReadClean(t)
}

// stale answers from whatever is here.
func (s slots) stale(op *replica.Operation) (replica.Answer, bool) {
	if int(op.Partition) >= len(s) {
		return replica.Answer{}, false
	}
	at := s[op.Partition].Load()
	if at == nil {
		return replica.Answer{}, false
	}
	a, _, ok := lookup(at.table, op)
	if at.view != nil {
		a.Epoch, a.Lineage = at.view.Epoch, at.view.Lineage
	}
	return a, ok
}

// lookup reads the value, and whether it has a TTL. Where storage fails, the
// replica is asked instead: it says so in its answer.
func lookup(table *storage.Table, op *replica.Operation) (a replica.Answer, expires, ok bool) {
	value, version, found, err := table.Get(op.Key)
	if err != nil {
		return replica.Answer{}, false, false
	}
	a = replica.Answer{Outcome: replica.Absent, Partition: op.Partition}
	if found {
		a.Outcome, a.Value = replica.Found, value
		a.Result = entry.Result{Sequence: version.Sequence}
	}
	return a, found && version.Expires != 0, true
}

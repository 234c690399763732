package simulation

import (
	"bytes"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/routing"
	"github.com/holdfast-io/holdfast/partition"
)

// truth is what really happened to one partition: its committed log, as the
// first replica to apply each entry showed it. Every promise is checked against
// it, in the step in which it could break.
type truth struct {
	w        *world
	id       partition.ID
	log      []*entry.Entry // log[i] has sequence i+1
	hashes   []uint64       // of a state after log[i]
	requests map[entry.RequestID]uint64
	keyed    map[entry.IdempotencyID][]*entry.Entry // applied with that key
	never    map[entry.RequestID]*call              // answered "not applied"
	keys     map[string]*keyTruth
	grown    *process // who committed something in this step

	// After an unsafe recovery: the only node whose older data counts, the new
	// lineage, and when it was. What was promised before is void.
	chosen  partition.NodeID
	lineage uint32
	since   instant
	asked   instant // when the operator last asked for one
	before  before

	revived instant // when a node started that had its only copy that counts
}

// keyTruth is what happened to one key.
type keyTruth struct {
	changes []change
	seen    uint64 // the newest sequence that a client was told of
}

// change is one committed effect on a key.
type change struct {
	sequence uint64
	present  bool
	value    []byte
	at       instant // when it was first applied
	put      *entry.Entry
}

func newTruth(w *world, id partition.ID) *truth {
	return &truth{
		w: w, id: id, requests: map[entry.RequestID]uint64{}, keyed: map[entry.IdempotencyID][]*entry.Entry{},
		never: map[entry.RequestID]*call{}, keys: map[string]*keyTruth{},
	}
}

func (t *truth) key(name []byte) *keyTruth {
	k := t.keys[string(name)]
	if k == nil {
		k = new(keyTruth)
		t.keys[string(name)] = k
	}
	return k
}

func same(a, b *entry.Entry) bool {
	return a == b || a.Position == b.Position && a.Kind == b.Kind && a.Existed == b.Existed && a.Request == b.Request &&
		a.LowestOpen == b.LowestOpen && a.Logged == b.Logged && a.Expires == b.Expires && sameIdempotency(a.Idempotency, b.Idempotency) && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
}

func sameIdempotency(a, b *entry.Idempotency) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// applied sees an entry that a replica applied: logs agree up to committed.
func (t *truth) applied(by *table, e *entry.Entry) {
	w := t.w
	switch {
	case t.since > 0 && by.lineage != t.lineage && by.owner.n.id != t.chosen:
		return // it has not heard of the recovery
	case e.Sequence <= uint64(len(t.log)):
		if !same(t.log[e.Sequence-1], e) {
			w.fail("%s applies %s to %s, where %s was committed", by.owner.n.id, describeEntry(e), t.id, describeEntry(t.log[e.Sequence-1]))
		} else if t.hashes[e.Sequence-1] != by.hash {
			w.fail("%s has another state of %s at %d than others had", by.owner.n.id, t.id, e.Sequence)
		}
		return
	case e.Sequence > uint64(len(t.log))+1:
		w.fail("%s applies %d of %s, where %d is the last committed", by.owner.n.id, e.Sequence, t.id, len(t.log))
		return
	}
	t.log, t.hashes, t.grown = append(t.log, e), append(t.hashes, by.hash), by.owner
	w.coverage[committed]++
	if e.Kind == entry.Marker {
		w.coverage[markers]++
	} else {
		k := t.key(e.Key)
		k.changes = append(k.changes, change{e.Sequence, e.Kind == entry.Put, e.Value, w.now, e})
		t.checkExpiry(k, e)
	}
	t.checkKeyed(e)
	if !e.Request.IsZero() {
		if at, twice := t.requests[e.Request]; twice {
			w.fail("request %d of %s is applied at %d and at %d of %s", e.Request.Counter, e.Request.Origin, at, e.Sequence, t.id)
		}
		if c := t.never[e.Request]; c != nil && c.at >= t.since {
			w.fail("%s was answered 'not applied', and is applied at %d", c, e.Sequence)
		}
		t.requests[e.Request] = e.Sequence
	}
	t.checkCopies("commits")
}

// checkCopies checks that what is committed is on the disk of every replica
// that the map calls in sync or eligible, and on at least min-in-sync disks.
func (t *truth) checkCopies(when string) {
	w := t.w
	m := w.raft.machine.Map()
	c, ok := m.Partition(t.id)
	if !ok || len(t.log) == 0 {
		return
	}
	for _, list := range [2][]partition.Replica{c.Replicas, c.Eligible} {
		if w.back.active {
			break // it is a map of before
		}
		for _, r := range list {
			n := w.home(r.Node)
			d := n.newest()
			if d.store != r.Store || d.copies[t.id].lost {
				continue // it is lost, and the map does not know yet
			}
			if has := d.copies[t.id].holds(t); has < uint64(len(t.log)) {
				w.fail("%s %s: %s holds %s up to %d of %d committed (epoch %d, in sync %v, eligible %v)", t.id, when, r.Node, t.id, has,
					len(t.log), c.Epoch, partition.Nodes(c.Replicas), partition.Nodes(c.Eligible))
			}
		}
	}
	if when != "commits" {
		return
	}
	disks := 0
	for _, n := range w.nodes {
		if n.newest().copies[t.id].holds(t) == uint64(len(t.log)) {
			disks++
		}
	}
	for _, d := range w.wiped {
		if d.copies[t.id].holds(t) == uint64(len(t.log)) {
			disks++ // it was there, and said so
		}
	}
	if disks < w.settings.MinInSync {
		w.fail("%s commits %d on %d disks, fewer than %d", t.id, len(t.log), disks, w.settings.MinInSync)
	}
}

// checkServing runs after every step of a process: where it has committed
// something, no older primary may be able to answer a read at this instant.
func (w *world) checkServing(p *process) {
	for _, t := range w.truth {
		if t.grown == nil {
			continue
		}
		by := t.grown
		t.grown = nil
		s, ok := by.group(t.id).Status(t.id)
		if !ok {
			w.fail("%s commits %s, which it does not have", by.n.id, t.id)
			continue
		}
		t.alone(by, s.Epoch)
	}
}

// alone checks that nobody else would serve the partition in an older epoch, and
// that every secondary with a grant has what is committed in its log (R1).
func (t *truth) alone(p *process, epoch partition.Epoch) {
	w := t.w
	for _, n := range w.nodes {
		if !n.up || n.process == p {
			continue
		}
		if v := n.process.views[t.id]; v != nil && v.Epoch < epoch && v.MayRead(n.process.now()) {
			w.fail("%s serves %s in epoch %d, while %s still may in epoch %d", p.n.id, t.id, epoch, n.id, v.Epoch)
		} else if v != nil && v.MayReadClean(n.process.now()) {
			if s, ok := n.process.group(t.id).Status(t.id); ok && t.since == 0 && s.Last < uint64(len(t.log)) {
				w.fail("%s has committed %d of %s in epoch %d, while %s, which may read in epoch %d, has %d", p.n.id, len(t.log), t.id, epoch, n.id, v.Epoch, s.Last)
			}
		}
	}
}

// view sees a view that a process publishes.
func (t *truth) view(p *process, v *replica.View) {
	if v != nil && v.Serving {
		t.alone(p, v.Epoch)
	}
}

// answered sees the answer of a primary, settled: what it says must be true.
func (t *truth) answered(q *request, a replica.Answer) {
	w := t.w
	if a.Outcome != replica.Done || a.Result.Sequence == 0 {
		return
	}
	at, ok := t.requests[q.op.Request]
	if e := t.keyedEntry(q.op.Idempotency, a.Result.Sequence); e != nil && e.Request != q.op.Request {
		w.coverage[answeredAgain]++
		at, ok = e.Sequence, true
	}
	if !ok {
		w.fail("%s is acknowledged at %d, and was never committed", q.call, a.Result.Sequence)
		return
	}
	if at != a.Result.Sequence || t.log[at-1].Existed != a.Result.Existed {
		w.fail("%s is answered with %+v, and was applied at %d: %s", q.call, a.Result, at, describeEntry(t.log[at-1]))
	}
}

// forbid sees that a write was answered "not applied".
func (t *truth) forbid(c *call) {
	if at, ok := t.requests[c.request]; ok {
		t.w.fail("%s is answered 'not applied', and was applied at %d", c, at)
	}
	t.never[c.request] = c
}

// returned sees an answer that reaches a client: what it tells of the key must
// have been so at some time since the call.
func (t *truth) returned(c *call) {
	w := t.w
	k := t.key(c.key.name)
	if c.at < t.since {
		return
	}
	if c.action != replica.Get && c.fate == done && c.sequence != 0 {
		k.seen = max(k.seen, c.sequence)
		return // checked where it was answered
	}
	// The newest moment in which the key was as the answer says.
	fits, until := false, ^uint64(0)
	for i := len(k.changes) - 1; i >= 0 && !fits; i-- {
		s := &k.changes[i]
		fits = s.present && s.sequence == c.sequence || !s.present && c.sequence == 0
		if fits && c.fate == found && !bytes.Equal(s.value, c.read) {
			w.fail("%s returns %q, and sequence %d is %q", c, c.read, s.sequence, s.value)
		}
		if !fits {
			until = s.sequence
		}
	}
	k.seen = max(k.seen, c.sequence)
	if c.probe && c.fate == found && c.sequence != 0 {
		for i := range k.changes {
			if s := &k.changes[i]; s.sequence == c.sequence && w.overdue(t, s, c.at) {
				w.fail("%s finds sequence %d, which should have ended", c, c.sequence)
			}
		}
	}
	switch {
	case !fits && c.sequence != 0:
		w.fail("%s returns sequence %d, which was never committed", c, c.sequence)
	case until <= c.floor: // replaced before the call, and somebody knew
		w.fail("%s returns sequence %d, which %d had replaced, known before the call (%d)", c, c.sequence, until, c.floor)
	}
}

// finished sees a request's end at the node that received it: from then on,
// "not applied" holds for ever.
func (w *world) finished(q *request, v routing.Verdict, a replica.Answer) {
	never := v == routing.Unavailable || v == routing.Answered &&
		(a.Outcome == replica.PreconditionFailed || a.Outcome == replica.InProgress || a.Outcome == replica.KeyReused || a.Outcome == replica.Overloaded || a.Outcome == replica.DiskFull || a.Outcome == replica.Done && a.Result.Sequence == 0)
	if never && q.op.Action != replica.Get {
		w.truth[q.op.Partition].forbid(q.call)
	}
}

// checkDisks checks the copies on a node's disk after it lost what was not synced.
func (w *world) checkDisks(n *node) {
	for _, t := range w.truth {
		t.checkCopies("after the crash of " + string(n.id))
	}
}

// stormLimit is how many messages replicas may send in a second: many times
// what the calls of a second need, so that only messages which beget one
// another reach it.
const stormLimit = 20_000

// checkStorm counts the messages between replicas.
func (w *world) checkStorm() {
	if second := w.now / instant(time.Second); second != w.second {
		w.second, w.sentBefore = second, w.coverage[sent]
	}
	if w.coverage[sent]-w.sentBefore > stormLimit {
		w.fail("replicas sent more than %d messages within a second", stormLimit)
	}
}

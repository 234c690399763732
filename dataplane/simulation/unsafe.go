package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// operatorPatience is how long the operator waits for a command to show.
const operatorPatience = 5 * time.Second

// disaster damages the copies of all that are in sync in a partition which has
// another copy left, with or without everything.
func (w *world) disaster() {
	m := w.raft.machine.Map()
	id := w.pick(w.settings.Partitions)
	if !m.Placed() || w.shelved() {
		return
	}
	c := &m.Partitions[id]
	left := func(n *node) bool { return !c.InSync(n.id) && c.Lists(n.id) && n.disk.copies[id].exists }
	others := 0
	for _, n := range w.nodes {
		if left(n) {
			others++
		}
	}
	if others == 0 {
		return
	}
	w.coverage[faultDisaster]++
	w.logf("all in-sync copies of %s are lost", c.ID)
	for _, r := range c.Replicas {
		n := w.nodes[w.index(r.Node)]
		n.crash(true)
		w.wiped = append(w.wiped, &disk{w: w, copies: slices.Clone(n.disk.copies)})
		n.disk.copies[id] = diskCopy{lost: true}
		w.restart(n, w.duration(3*time.Second))
	}
}

// recoverUnsafely is the operator's last resort: the copy with the longest log. He
// waits to see what became of it: of two at once, the second would choose again
// what the first has made void, and nobody here would know what it should hold.
func (w *world) recoverUnsafely(c *partition.Configuration) {
	t := w.truth[c.ID]
	if t.asked != 0 && w.now < t.asked.add(operatorPatience) {
		return
	}
	var best *node
	at := uint64(0)
	for _, n := range w.nodes {
		d := &n.disk.copies[c.ID]
		r, learner := partition.Find(c.Learners, n.id)
		if !learner || !n.up || n.disk.store != r.Store || !d.exists {
			continue
		}
		has, state := d.holds(w.truth[c.ID]), n.process.tables[c.ID]
		if state == nil || state.applied.Sequence > has {
			continue // of a lineage before the last: here nobody would know what it should hold
		}
		if best == nil || has > at {
			best, at = n, has
		}
	}
	if best != nil {
		t.asked = w.now
		w.admin(state.UnsafeRecover{Partition: c.ID, Node: best.id, Lineage: w.random.Uint32() | 1, Epoch: c.Epoch})
	}
}

// restart makes what the chosen copy has the truth.
func (t *truth) restart(old, c *partition.Configuration) {
	w := t.w
	n := w.nodes[w.index(c.Primary)]
	has := n.disk.copies[t.id].holds(t)
	w.logf("%s goes on with the copy of %s: %d of %d committed", t.id, n.id, has, len(t.log))
	t.chosen, t.lineage, t.since = n.id, c.Lineage, w.now
	t.before = before{lineage: old.Lineage, has: has, log: t.log, hashes: t.hashes, changes: map[*keyTruth][]change{}}
	for _, e := range t.log[has:] {
		delete(t.requests, e.Request)
	}
	t.log, t.hashes = t.log[:has:has], t.hashes[:has:has]
	clear(t.keyed)
	for _, e := range t.log {
		if e.Idempotency != nil {
			t.keyed[e.Idempotency.ID] = append(t.keyed[e.Idempotency.ID], e)
		}
	}
	for _, k := range t.keys {
		t.before.changes[k] = k.changes
		k.changes = k.upTo(has)
		k.seen = 0
	}
	for _, other := range w.nodes {
		d := &other.disk.copies[t.id]
		d.agrees = min(d.agrees, has)
	}
	for _, d := range w.wiped {
		d.copies[t.id].agrees = min(d.copies[t.id].agrees, has)
	}
}

// before is what was committed before a recovery.
type before struct {
	lineage uint32
	has     uint64 // what the chosen copy had of it then
	log     []*entry.Entry
	hashes  []uint64
	changes map[*keyTruth][]change
}

// regain makes more of what was committed before the recovery the truth: a snapshot
// was on its way to the chosen copy, and is in its place before it hears of that.
func (t *truth) regain(at uint64) {
	has := uint64(len(t.log))
	if has != t.before.has {
		t.w.fail("%s goes on with %d entries, and its chosen copy gets a snapshot of before", t.id, has)
		return
	}
	if at <= has || at > uint64(len(t.before.log)) {
		return
	}
	t.before.has = at
	t.w.coverage[regained]++
	t.w.logf("%s goes on with %d of %d committed", t.id, at, len(t.before.log))
	for _, e := range t.before.log[has:at] {
		if !e.Request.IsZero() {
			t.requests[e.Request] = e.Sequence
		}
		if e.Idempotency != nil {
			t.keyed[e.Idempotency.ID] = append(t.keyed[e.Idempotency.ID], e)
		}
	}
	t.log, t.hashes = t.before.log[:at:at], t.before.hashes[:at:at]
	for k, changes := range t.before.changes {
		k.changes = changes
		k.changes = k.upTo(at)
	}
}

// upTo is what happened to the key up to a sequence.
func (k *keyTruth) upTo(sequence uint64) []change {
	n := len(k.changes)
	for n > 0 && k.changes[n-1].sequence > sequence {
		n--
	}
	return k.changes[:n:n]
}

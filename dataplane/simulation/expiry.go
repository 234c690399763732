package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// The rates of a clock relative to true time, at the most.
const (
	slowestRate = 0.9
	fastestRate = 1.1
)

// checkExpiry sees a committed effect on a key: a value may end only by its TTL,
// as the primaries' clocks measured it, one after another.
func (t *truth) checkExpiry(k *keyTruth, e *entry.Entry) {
	w := t.w
	if e.Kind != entry.Delete || !e.Request.IsZero() {
		return
	}
	w.coverage[expiredValues]++
	if len(k.changes) < 2 {
		return // what it was is void since an unsafe recovery
	}
	was := &k.changes[len(k.changes)-2]
	if !was.present || was.put.Expires == 0 {
		w.fail("%s: %q ends at %d without a TTL: present %v", t.id, e.Key, e.Sequence, was.present)
		return
	}
	if was.put.Expires > e.Logged {
		w.fail("%s: %q ends at %d in logged time %d, before %d", t.id, e.Key, e.Sequence, e.Logged, was.put.Expires)
	}
	c := w.byRequest[was.put.Request]
	if c == nil {
		return
	}
	least := time.Duration(float64(c.ttl-2*time.Millisecond) / fastestRate)
	if lived := time.Duration(w.now - c.at); lived < least {
		w.fail("%s: %s ends after %v", t.id, c, lived)
	}
}

// late is by how much a value with a TTL may outlive it once nothing is wrong:
// time enough to take over, for a slow clock, and for the sweep.
const late = 4 * time.Second

// overdue reports whether a value should have ended: its TTL has passed, also by
// the slowest clock, since it was set, since the faults were over, and since no copy
// of the partition was alive: its time stands still then.
func (w *world) overdue(t *truth, s *change, at instant) bool {
	if !s.present || s.put.Expires == 0 || !w.quiet {
		return false
	}
	c := w.byRequest[s.put.Request]
	since := max(s.at, max(w.quietAt, t.revived).add(late))
	return c != nil && at > since.add(time.Duration(float64(c.ttl)/slowestRate)+300*time.Millisecond)
}

// revive notes the partitions of which a node that starts has the only copy alive
// that the map counts on.
func (n *node) revive() {
	w := n.w
	m := w.raft.machine.Map()
	for i := range m.Partitions {
		c := &m.Partitions[i]
		counted := slices.Concat(c.Replicas, c.Eligible)
		if _, ok := partition.Find(counted, n.id); !ok {
			continue
		}
		if !slices.ContainsFunc(counted, func(r partition.Replica) bool { return r.Node != n.id && w.home(r.Node).up }) {
			w.truth[i].revived = w.now
		}
	}
}

// checkSwept checks that values which ended are gone, though nobody read them.
func (w *world) checkSwept() {
	for i := range w.keys {
		name, t := w.keys[i].name, w.truth[w.keys[i].partition]
		k := t.key(name)
		if n := len(k.changes); n > 0 && !w.given(t.id) && w.overdue(t, &k.changes[n-1], w.now) {
			w.fail("%s: %q should have ended", t.id, name)
		}
	}
}

// expiries are the ends of a key's values, as calls that nobody made: they took
// effect some time before they were first applied.
func (w *world) expiries(k *key) (out []*span) {
	t := w.truth[k.partition]
	if t.since > 0 {
		return nil
	}
	for _, s := range t.key(k.name).changes {
		if s.present || !s.put.Request.IsZero() {
			continue
		}
		c := &call{
			w: w, index: -1, key: k, action: replica.Delete, fate: done, sequence: s.sequence, existed: true, returned: s.at,
		}
		out = append(out, &span{call: c, from: 0, to: int64(s.at) << fine})
	}
	return out
}

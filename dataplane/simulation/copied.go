package simulation

import (
	"bytes"
	"slices"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// copied sees a snapshot that takes the place of a copy: it is the state at its
// position, whole and nothing else.
func (t *truth) copied(by *process, image *table) {
	w, at, log := t.w, image.applied.Sequence, t.log
	switch old := t.since > 0 && image.lineage != t.lineage; {
	case old && (image.lineage != t.before.lineage || by.n.id != t.chosen && at > uint64(len(t.before.log))):
		return // of a lineage before the last: nobody knows what it should hold
	case old && by.n.id != t.chosen:
		log = t.before.log
	case old:
		if s, ok := by.group(t.id).Status(t.id); ok && s.Lineage == t.lineage {
			w.fail("%s gets a snapshot of %s of lineage %08x, and has heard of %08x", by.n.id, t.id, image.lineage, t.lineage)
			return
		}
		t.regain(at)
		log = t.log
	}
	if at > uint64(len(log)) {
		w.fail("%s gets a snapshot of %s at %d, where %d is the last committed", by.n.id, t.id, at, len(log))
		return
	}
	if what := t.after(log[:at]).differs(image); what != "" {
		w.fail("%s gets a snapshot of %s at %d that is not what was committed: %s", by.n.id, t.id, at, what)
	}
}

// after is the state after the first entries of a log.
func (t *truth) after(log []*entry.Entry) *table {
	state := &table{w: t.w, id: t.id}
	for _, e := range log {
		state.apply(e)
	}
	return state
}

// differs names something in which another state differs; "" if nothing does.
func (t *table) differs(other *table) string {
	switch {
	case t.hash != other.hash:
		return "the hash of its entries"
	case t.applied != other.applied:
		return "the position"
	case len(t.values) != len(other.values):
		return "the number of values"
	case !slices.Equal(t.keyed, other.keyed):
		return "what is remembered of idempotency keys"
	case !slices.EqualFunc(t.origins, other.origins, func(a, b origin) bool {
		return a.store == b.store && a.boot == b.boot && a.lowest == b.lowest && slices.Equal(a.results, b.results)
	}):
		return "what is remembered of requests"
	}
	for i := range t.values {
		a := &t.values[i]
		if b := other.find([]byte(a.key)); b == nil || a.version() != b.version() || !bytes.Equal(a.value, b.value) {
			return "the value of " + a.key
		}
	}
	return ""
}

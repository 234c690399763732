package simulation

import "github.com/holdfast-io/holdfast/dataplane/entry"

// checkKeyed sees a committed entry: no two have the same Idempotency-Key within
// the time that it is kept (rule Q2).
func (t *truth) checkKeyed(e *entry.Entry) {
	if e.Idempotency == nil {
		return
	}
	all := t.keyed[e.Idempotency.ID]
	if n := len(all); n > 0 && all[n-1].Logged+remember > e.Logged {
		was := all[n-1]
		t.w.fail("%s: idempotency key %x is applied at %d (logged time %d) and at %d (%d)", t.id, e.Idempotency.ID[:8], was.Sequence, was.Logged, e.Sequence, e.Logged)
	}
	t.keyed[e.Idempotency.ID] = append(all, e)
}

// keyedEntry is the entry at a sequence, if it has the Idempotency-Key and is of
// the same request.
func (t *truth) keyedEntry(i *entry.Idempotency, sequence uint64) *entry.Entry {
	if i == nil {
		return nil
	}
	for _, e := range t.keyed[i.ID] {
		if e.Sequence == sequence && e.Idempotency.Fingerprint == i.Fingerprint {
			return e
		}
	}
	return nil
}

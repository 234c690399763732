package replica

import "github.com/holdfast-io/holdfast/dataplane/entry"

// repeated answers a write whose Idempotency-Key is known (Q2), and reports
// whether it did. It is looked for among prepared entries first: a write that is
// being worked on has its key there from the moment it is logged until its
// result is remembered.
func (r *replica) repeated(op *Operation) bool {
	if op.Idempotency == nil {
		return false
	}
	if e := r.keyed[op.Idempotency.ID]; e != nil {
		if e.Idempotency.Fingerprint == op.Idempotency.Fingerprint {
			r.answer(Answer{Tag: op.Tag, Outcome: InProgress})
		} else {
			r.judged(op, e.Sequence, Answer{Tag: op.Tag, Outcome: KeyReused})
		}
		return true
	}
	was, found, err := r.state.Remembered(op.Idempotency.ID)
	switch {
	case err != nil:
		r.answer(Answer{Tag: op.Tag, Outcome: Failed})
	case !found:
		return false
	case was.Fingerprint != op.Idempotency.Fingerprint:
		r.judged(op, 0, Answer{Tag: op.Tag, Outcome: KeyReused})
	default:
		r.answer(Answer{Tag: op.Tag, Outcome: Done, Result: was.Result})
	}
	return true
}

// rememberKeyed and forgetKeyed keep the index of prepared entries by key.
func (r *replica) rememberKeyed(e *entry.Entry) {
	if e.Idempotency != nil {
		if r.keyed == nil {
			r.keyed = map[entry.IdempotencyID]*entry.Entry{}
		}
		r.keyed[e.Idempotency.ID] = e
	}
}

func (r *replica) forgetKeyed(e *entry.Entry) {
	if e.Idempotency != nil && r.keyed[e.Idempotency.ID] == e {
		delete(r.keyed, e.Idempotency.ID)
	}
}

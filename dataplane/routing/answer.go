package routing

import "github.com/holdfast-io/holdfast/dataplane/replica"

// Answered takes the answer to the attempt under way. The caller has settled it
// (replica.Answer.Settle) where it was made. Answers to attempts that have
// ended otherwise are ignored.
func (r *Request) Answered(now replica.Time, a replica.Answer) {
	if r.finished || !r.sending {
		return
	}
	r.sending = false
	if c := a.Configuration; c != nil && c.ID == r.partition && (r.learned == nil || c.Epoch > r.learned.Epoch) {
		r.learned = c
	}
	switch a.Outcome {
	case replica.Done:
		// A write that logged nothing (W5: a DELETE of what is not there) has
		// no entry of its own, so it is judged like a failed condition.
		switch {
		case !r.write: // not an answer to a read
			r.again(now, Refused)
		case a.Result.Sequence == 0:
			r.judged(now, a)
		default:
			r.answered(a)
		}
	case replica.PreconditionFailed, replica.InProgress, replica.KeyReused:
		r.judged(now, a)
	case replica.Found, replica.Absent:
		if r.write { // not an answer to a write
			r.again(now, Refused)
			return
		}
		r.answered(a)
	case replica.NotPrimary:
		r.again(now, Refused)
	case replica.TimedOut:
		r.again(now, NotReady)
	case replica.Expired:
		r.again(now, LeaseLost)
	case replica.Failed:
		r.again(now, ReplicaFailed)
	case replica.Overloaded, replica.DiskFull:
		// Waiting here would hold the value in memory, which is what is short:
		// the client is told at once, and may come again.
		r.judged(now, a)
	case replica.Unknown:
		r.suspectAttempt()
		r.again(now, NoAnswer)
	case replica.Forgotten:
		// Its own node closed the ID, so an attempt may have been applied and
		// its result dropped: nothing better will ever be known.
		r.suspectAttempt()
		r.giveUp(NoAnswer)
	default: // an outcome of a newer version: assume the worst
		r.suspectAttempt()
		r.again(now, NoAnswer)
	}
}

// Failed ends the attempt under way without an answer. Where maybeSent is
// false, the operation certainly never left this node.
func (r *Request) Failed(now replica.Time, maybeSent bool) {
	if r.finished || !r.sending {
		return
	}
	r.sending = false
	if maybeSent {
		r.suspectAttempt()
		r.again(now, NoAnswer)
		return
	}
	r.again(now, NotReached)
}

// Abandon ends the request because its caller will not wait any longer, and
// says what is known of it. An attempt under way may still be logged.
func (r *Request) Abandon(now replica.Time) Decision {
	r.Failed(now, true)
	if r.finished {
		return r.result
	}
	return r.giveUp(GivenUp)
}

// judged takes an answer that says "nothing was logged for this request". It is
// the truth only if no other attempt can have been logged, or be logged yet:
// the primary looked the ID up first, so in a later epoch than every suspect
// attempt that proves it, for in that epoch they are all refused (rule Q4). In
// the same epoch an attempt may still be on its way.
func (r *Request) judged(now replica.Time, a replica.Answer) {
	if r.write && r.suspect != 0 {
		if a.Epoch <= r.suspect {
			r.again(now, NoAnswer)
			return
		}
		r.suspect = 0
	}
	r.answered(a)
}

func (r *Request) answered(a replica.Answer) {
	r.finish(Decision{Step: Finish, Verdict: Answered, Answer: a})
}

func (r *Request) suspectAttempt() {
	if r.write {
		r.suspect = max(r.suspect, r.sent)
	}
}

// again makes the request wait before its next attempt, unless something newer
// than the last attempt is known by then.
func (r *Request) again(now replica.Time, reason Reason) {
	r.reason = reason
	r.backoff = min(max(2*r.backoff, firstBackoff), maxBackoff)
	r.retry = now.Add(r.backoff)
}

package simulation

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// checkLimit bounds the search of one key's history, in real time. A history that
// takes longer is checked by the invariants alone, and counted: see Coverage.Undecided.
const checkLimit = 5 * time.Second

// register is the state of one key: the sequence of its value, or none, and of
// its latest write. Sequences are part of what clients see (ETags), so writes
// can only be in their order, which keeps the search short.
type register struct{ sequence, latest uint64 }

// linearizable is one key's model. Inputs and outputs are both in the span.
var linearizable = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		s, now := input.(*span), state.(register)
		if s.placed && s.follows != now.latest {
			return false, now
		}
		switch s.fate {
		case found:
			return now.sequence == s.sequence, now
		case absent:
			return now.sequence == 0, now
		case failed:
			return now.sequence == s.sequence && !s.holds(now.sequence), now
		default: // done
			switch {
			case s.sequence == 0: // a delete of nothing
				return now.sequence == 0, now
			case !s.holds(now.sequence) || s.existed != (now.sequence != 0):
				return false, now
			case s.absentAfter():
				return true, register{0, s.sequence}
			}
			return true, register{s.sequence, s.sequence}
		}
	},
	Equal: func(a, b any) bool { return a.(register) == b.(register) },
}

// absentAfter reports whether a write leaves no value.
func (c *call) absentAfter() bool { return c.action == replica.Delete }

// holds judges the call's condition of a key whose value has the sequence.
func (c *call) holds(sequence uint64) bool {
	switch {
	case c.condition.IfMatchAny:
		return sequence != 0
	case c.condition.IfNoneMatchStar:
		return sequence == 0
	}
	for _, e := range c.condition.IfMatch {
		if e.Sequence == sequence {
			return true
		}
	}
	return len(c.condition.IfMatch) == 0
}

// checkHistory searches an order of all calls of a key, within the time of each,
// in which every answer is right. A write of unknown outcome is open to the end:
// it is in the order if it is in the committed log, and it cannot be if not.
func (w *world) checkHistory() {
	histories := map[*key][]*span{}
	for _, c := range w.calls {
		s := &span{call: c, from: int64(c.at) << fine, to: int64(c.returned) << fine}
		if w.truth[c.key.partition].since > 0 {
			continue // some of it is void
		}
		if c.fate == done && c.sequence != 0 && w.truth[c.key.partition].log[c.sequence-1].Request != c.request {
			// Another call with its key was applied, and is in the history. Its
			// own attempt may have been too, where that was forgotten meanwhile.
			if s.to = math.MaxInt64; !c.resolve() {
				continue
			}
		}
		if c.fate == open {
			if !c.resolve() {
				continue
			}
			s.to = math.MaxInt64
		}
		if c.fate != neverTaken {
			histories[c.key] = append(histories[c.key], s)
		}
	}
	for i := range w.keys {
		k := &w.keys[i]
		histories[k] = append(histories[k], w.expiries(k)...)
		verdict := judge(histories[k])
		w.coverage[historiesJudged]++
		if verdict == porcupine.Unknown {
			w.coverage[historiesUndecided]++
		}
		if verdict == porcupine.Illegal {
			w.fail("the history of %s is not linearizable", k.name)
			for _, s := range histories[k] {
				c := s.call
				w.logf("  %s: %v to %v: %s %d", c, time.Duration(c.at), time.Duration(c.returned), fateNames[c.fate], c.sequence)
			}
			return
		}
	}
}

// judge tells whether one key's history is linearizable; Unknown where that takes
// too long.
func judge(history []*span) porcupine.CheckResult {
	writes := arrange(history)
	if !tighten(history, writes) {
		return porcupine.Illegal
	}
	guess := make([]*span, len(history))
	for i, s := range history {
		c := *s
		guess[i] = &c
	}
	guessed := arrange(guess)
	place(guess, guessed)
	if tighten(guess, guessed) && search(guess) == porcupine.Ok {
		return porcupine.Ok
	}
	return search(history)
}

func search(history []*span) porcupine.CheckResult {
	operations := make([]porcupine.Operation, len(history))
	for i, s := range history {
		operations[i] = porcupine.Operation{Call: s.from, Return: s.to, Input: s}
	}
	return porcupine.CheckOperationsTimeout(linearizable, operations, checkLimit)
}

// resolve finds out what became of a write that the client knows nothing of.
func (c *call) resolve() bool {
	t := c.w.truth[c.key.partition]
	at, applied := t.requests[c.request]
	if !applied || c.request.IsZero() {
		return false
	}
	c.fate, c.sequence, c.existed = done, at, t.log[at-1].Existed
	return true
}

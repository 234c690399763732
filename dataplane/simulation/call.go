package simulation

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/routing"
	"github.com/holdfast-io/holdfast/partition"
)

// key is one of the few keys that the clients use.
type key struct {
	name      []byte
	partition partition.ID
	etags     []entry.ETag // the latest that clients have seen
}

// fate is what a client knows of its call.
type fate uint8

const (
	open       fate = iota // no answer, or one that says so
	done                   // a write was applied
	found                  // a read's value
	absent                 // a read of nothing
	failed                 // the condition does not hold
	neverTaken             // never applied
)

// call is one client's request, as the client sees it.
type call struct {
	w         *world
	index     int
	key       *key
	action    replica.Action
	value     []byte
	condition replica.Condition
	ttl       time.Duration
	// idempotency is that of this call and of those that repeat it.
	idempotency *entry.Idempotency
	timeout     time.Duration
	node        *node
	probe       bool // asked after the end of all faults: it must be answered

	request  entry.RequestID
	at       instant
	returned instant
	fate     fate
	sequence uint64 // done, found, failed: of the value
	existed  bool   // done
	read     []byte // found
	floor    uint64 // the newest sequence of the key that anybody had seen at the call
}

func (c *call) String() string {
	what := [...]string{replica.Get: "get", replica.Put: "put", replica.Delete: "delete"}[c.action]
	s := fmt.Sprintf("call %d %s %s (%s)", c.index, what, c.key.name, c.key.partition)
	if c.request.Counter != 0 {
		s += fmt.Sprintf(" request %d", c.request.Counter)
	}
	if c.idempotency != nil {
		s += fmt.Sprintf(" idempotency key %x of %x", c.idempotency.ID[:2], c.idempotency.Fingerprint[:2])
	}
	if c.ttl > 0 {
		s += fmt.Sprintf(" ttl %v", c.ttl)
	}
	switch {
	case c.condition.IfMatchAny:
		s += " if there is a value"
	case c.condition.IfNoneMatchStar:
		s += " if there is no value"
	case len(c.condition.IfMatch) > 0:
		s += fmt.Sprintf(" if it is %d", c.condition.IfMatch[0].Sequence)
	}
	return s
}

// clients lets calls come, in waves.
func (w *world) clients() {
	if w.quiet {
		return
	}
	mean := w.profile.callEvery
	if w.chance(0.1) {
		for range w.pick(10) {
			w.startCall()
		}
	}
	w.startCall()
	w.after(w.around(mean), w.clients)
}

// startCall sends a random request to a random living node.
func (w *world) startCall() {
	c := &call{
		w: w, index: len(w.calls), key: &w.keys[w.pick(len(w.keys))], timeout: 10 * time.Second,
	}
	if w.chance(0.4) && !w.profile.patient {
		c.timeout = w.between(50*time.Millisecond, 3*time.Second)
	}
	switch x := w.random.Float64(); {
	case x < w.profile.reads:
		c.action = replica.Get
	case x < w.profile.reads+0.12:
		c.action = replica.Delete
	default:
		c.action = replica.Put
	}
	if c.action != replica.Get && w.chance(w.profile.conditional) {
		c.condition = c.someCondition()
	}
	if c.action == replica.Put && w.chance(w.profile.ttls) {
		c.ttl = w.duration(3 * time.Second).Round(time.Millisecond)
	}
	if c.action != replica.Get && w.chance(w.profile.keyed) {
		c.withKey()
	}
	at := w.nodes[w.pick(len(w.nodes))]
	if !at.up {
		at = w.nodes[w.pick(w.profile.nodes)]
	}
	w.send(c, at)
}

// withKey gives a write an Idempotency-Key: a new one, that of an earlier call,
// which it then repeats, or by mistake that of another.
func (c *call) withKey() {
	w := c.w
	var earlier *call
	if n := len(w.keyed); n > 0 && w.chance(0.6) {
		earlier = w.keyed[max(0, n-1-w.pick(12))]
	}
	id := new(entry.Idempotency)
	binary.BigEndian.PutUint64(id.ID[:], uint64(len(w.keyed)+1))
	binary.BigEndian.PutUint64(id.Fingerprint[:], uint64(c.index))
	switch {
	case earlier == nil:
		w.keyed = append(w.keyed, c)
	case w.chance(0.1):
		c.key, c.condition, id.ID = earlier.key, replica.Condition{}, earlier.idempotency.ID // its ETags were of another key
		w.coverage[keysReused]++
	default:
		c.key, c.action, c.value = earlier.key, earlier.action, earlier.value
		c.condition, c.ttl, id = earlier.condition, earlier.ttl, earlier.idempotency
		w.coverage[repeatedCalls]++
	}
	c.idempotency = id
}

func (c *call) someCondition() replica.Condition {
	w := c.w
	etags := c.key.etags
	switch x := w.random.Float64(); {
	case x < 0.15:
		return replica.Condition{IfMatchAny: true}
	case x < 0.35:
		return replica.Condition{IfNoneMatchStar: true}
	case len(etags) == 0:
		return replica.Condition{}
	case x < 0.9: // the newest: it may hold
		return replica.Condition{IfMatch: etags[len(etags)-1:]}
	default:
		return replica.Condition{IfMatch: etags[w.pick(len(etags)):][:1]}
	}
}

// send hands a call to a node, if that has a process.
func (w *world) send(c *call, n *node) {
	c.node = n
	if !n.up {
		return
	}
	if c.action == replica.Put && c.value == nil {
		c.value = fmt.Appendf(nil, "value-%d", c.index)
	}
	c.at = w.now
	c.floor = w.truth[c.key.partition].key(c.key.name).seen
	w.calls = append(w.calls, c)
	w.coverage[called]++
	p := n.process
	p.later(w.between(50*time.Microsecond, time.Millisecond), func() { p.receive(c) })
}

// returns takes the answer to the client.
func (c *call) returns(v routing.Verdict, a replica.Answer) {
	w := c.w
	c.returned = w.now
	switch {
	case v == routing.Unavailable:
		c.fate = neverTaken
		w.coverage[unavailable]++
	case v == routing.OutcomeUnknown:
		w.coverage[outcomeUnknown]++
		if c.action == replica.Get {
			w.fail("%s: a read has an unknown outcome", c)
		}
	case a.Outcome == replica.Done:
		c.fate, c.sequence, c.existed = done, a.Result.Sequence, a.Result.Existed
	case a.Outcome == replica.Found:
		c.fate, c.sequence, c.read = found, a.Result.Sequence, a.Value
	case a.Outcome == replica.Absent:
		c.fate = absent
	case a.Outcome == replica.PreconditionFailed:
		c.fate, c.sequence = failed, a.Result.Sequence
	case a.Outcome == replica.InProgress || a.Outcome == replica.KeyReused:
		c.fate = neverTaken
	case a.Outcome == replica.Overloaded, a.Outcome == replica.DiskFull:
		c.fate = neverTaken
	default:
		w.fail("%s: outcome %d is no answer for a client", c, a.Outcome)
	}
	if w.trace.text {
		w.logf("%s returns %s sequence %d", c, fateNames[c.fate], c.sequence)
	}
	if c.fate != open && c.fate != neverTaken {
		if c.sequence != 0 {
			c.key.etags = append(c.key.etags, entry.ETag{Lineage: a.Lineage, Sequence: c.sequence})
			if len(c.key.etags) > 4 {
				c.key.etags = c.key.etags[1:]
			}
		}
		w.truth[c.key.partition].returned(c)
	}
}

var fateNames = [...]string{open: "unknown", done: "done", found: "found", absent: "absent", failed: "precondition failed", neverTaken: "never applied"}

package replica

import (
	"bytes"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// expired reports whether a value is gone by this primary's clock.
func (r *replica) expired(v entry.Version) bool {
	return v.Expires != 0 && v.Expires <= r.loggedNow()
}

// remove logs the end of an expired value, "key gone": nobody is told that it is
// gone before that is committed, for another primary's clock may be behind.
func (r *replica) remove(key []byte) *entry.Entry {
	e := &entry.Entry{Kind: entry.Delete, Existed: true, Key: bytes.Clone(key)} // a read's key is not the log's to keep
	r.logEntry(e)
	return e
}

// Expired values are found by the state's index of their ends, and removed a few
// at a time, so that a flood of them does not hold up requests: ExpiryBatch for
// each tick of the group, and none while much of the log waits to be committed.

// sweep removes expired values of the partitions that this group serves.
func (g *Group) sweep() {
	left := g.cfg.ExpiryBatch
	for i := range g.order {
		if left <= 0 {
			g.swept += i // the next tick begins here
			return
		}
		left -= g.order[(g.swept+i)%len(g.order)].sweep(left)
	}
}

// timeEntryEvery is how long a log without entries waits until its time is
// logged all the same: what a restart of all copies sets expiry back by.
const timeEntryEvery = time.Minute

func (r *replica) sweep(most int) (removed int) {
	if r.role != Serving || r.change != nil || len(r.queue) > 0 || r.inBoth() < r.g.cfg.MinInSync {
		return 0
	}
	next := r.state.NextExpiry()
	if next == 0 {
		return 0
	}
	if r.log.bytes(r.committed, r.log.last().Sequence) > r.g.cfg.MaxUnackedBytes/4 {
		return 0
	}
	if next > r.loggedNow() {
		if r.g.now.Sub(r.logged.at) >= timeEntryEvery {
			r.logEntry(&entry.Entry{Kind: entry.Marker})
		}
		return 0
	}
	keys, err := r.state.Expired(r.loggedNow(), most)
	if err != nil {
		return 0 // storage reports damage itself
	}
	for _, key := range keys {
		version, ok, err := r.newest(key)
		if err == nil && ok && r.expired(version) {
			r.remove(key)
			removed++
		}
	}
	return len(keys)
}

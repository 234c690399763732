package replica

import (
	"slices"
	"time"
)

// release is the duty of a superseded primary: to void the promises that keep
// the new one waiting (L4).
type release struct {
	owed bool
	next Time // when to say it again
	left int  // how often
}

const (
	releaseEvery = 100 * time.Millisecond
	releaseTimes = 20
)

// promise gives the process this partition's promise, from now on (L2).
func (r *replica) promise(to Peer, length time.Duration) {
	until := r.g.now.Add(length)
	for i := range r.promises {
		if r.promises[i].to == to {
			r.promises[i].until = max(r.promises[i].until, until)
			return
		}
	}
	r.promises = slices.DeleteFunc(r.promises, func(p promise) bool { return p.until <= r.g.now })
	r.promises = append(r.promises, promise{to: to, until: until})
}

// promisesHold reports whether a promise to some other primary still runs.
func (r *replica) promisesHold() bool {
	for _, p := range r.promises {
		if r.g.now < p.until {
			return true
		}
	}
	return false
}

// bootWait reports whether an earlier boot's promises, leases and grants may
// still run: until then nothing is taken over and nothing released (L5).
func (g *Group) bootWait() bool { return g.now < g.cfg.Booted.Add(g.cfg.HeldPromise) }

// owe makes a release due: this replica was primary in this boot, and the map
// names another. It no longer serves: its view says so before the release goes.
func (r *replica) owe() {
	r.release = release{owed: true, next: r.g.now, left: releaseTimes}
	r.publish()
	r.tryRelease()
}

// tryRelease tells the new primary that it need not wait for the promise it
// gave to this node, once every read grant it gave has run out or come back. The
// release names the epoch that takes over.
func (r *replica) tryRelease() {
	if !r.release.owed || r.conf.Primary == "" || r.g.now < r.release.next || r.g.bootWait() || r.g.now < max(r.grantsEnd(), r.unknownUntil) {
		return
	}
	r.send(r.conf.Primary, Message{Kind: Release, Configuration: r.conf})
	r.release.next = r.g.now.Add(releaseEvery)
	r.release.left--
	r.release.owed = r.release.left > 0
}

// onRelease voids the promise given to the sender, and only that (L4).
func (r *replica) onRelease(from Peer) {
	if r.role != Waiting {
		return
	}
	for i := range r.promises {
		if r.promises[i].to == from {
			r.promises[i].until = 0
		}
	}
	r.tryTakeOver()
}

package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// sequenceBits are the bits of a sequence below the epoch's.
const sequenceBits = 32

// leadership is one uninterrupted time for which this start is a partition's
// primary: epoch follows epoch, and none of them names another primary.
type leadership struct {
	c  *Client
	id partition.ID
	// since is the epoch that it begins with.
	since partition.Epoch
	least int // replicas in sync: the cluster's min-in-sync
	// turn has one element while a Write takes the partition over.
	turn chan struct{}

	mu struct {
		sync.Mutex
		p       *Partition    // in the newest epoch
		over    bool          // it has ended
		changed chan struct{} // closed when any of this changes
		// takenOver: all replicas in sync have what this node had at the beginning.
		takenOver bool
		last      uint64 // sequence given last
		open      map[*Write]context.CancelFunc
		learners  map[partition.NodeID]*learner
		// failed are the nodes that are in sync, or may be, and did not take a write:
		// nothing is acknowledged before an epoch without them.
		failed map[partition.NodeID]bool
		// held is the epoch in which new writes wait for a hand-over, until holdEnds.
		held     partition.Epoch
		holdEnds time.Time
	}
}

func newLeadership(c *Client, v *view, p *Partition, last uint64) *leadership {
	l := &leadership{c: c, id: p.Number, since: p.Epoch, least: v.m.Settings.MinInSync, turn: make(chan struct{}, 1)}
	l.mu.p = p
	l.mu.changed = make(chan struct{})
	l.mu.open = make(map[*Write]context.CancelFunc)
	l.mu.learners = make(map[partition.NodeID]*learner)
	l.mu.failed = make(map[partition.NodeID]bool)
	l.mu.last = last
	for _, n := range p.learners {
		l.mu.learners[n.ID] = &learner{node: n}
	}
	return l
}

// advance goes on to what a newer map says; false if this leadership does not reach
// there.
func (l *leadership) advance(p *Partition) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.mu.p
	switch {
	case l.mu.over || !l.c.isSelf(p.primary) || p.Configuration.Lineage != was.Configuration.Lineage:
		return false
	case p.Epoch == was.Epoch:
		l.mu.p = p
		return true
	case p.Epoch != was.Epoch+1:
		return false // another may have led in between
	}
	l.mu.p = p
	learners := make(map[partition.NodeID]*learner, len(p.learners))
	for _, n := range p.learners {
		one := l.mu.learners[n.ID]
		if one == nil || !sameStart(one.node, n) || was.Configuration.InSync(n.ID) {
			one = &learner{node: n} // also one that was in sync until now: it begins anew
		}
		if one.proposed = false; l.mu.failed[n.ID] {
			one.fail(time.Now())
		}
		learners[n.ID] = one
	}
	l.mu.learners = learners
	for id := range l.mu.failed {
		if !p.Configuration.InSync(id) {
			delete(l.mu.failed, id)
		}
	}
	l.tell()
	return true
}

// end ends the leadership, and the contexts of its open writes. It returns the last
// sequence given.
func (l *leadership) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mu.over {
		l.mu.over = true
		for _, cancel := range l.mu.open {
			cancel()
		}
		l.tell()
	}
	return l.mu.last
}

// tell wakes those who wait for a change; the caller holds mu.
func (l *leadership) tell() {
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

// next gives the next sequence of the epoch; 0 when there is none left. The caller
// holds mu.
func (l *leadership) next() uint64 {
	l.mu.last = max(l.mu.last, uint64(l.mu.p.Epoch)<<sequenceBits)
	if l.exhausted() {
		return 0
	}
	l.mu.last++
	return l.mu.last
}

// exhausted reports whether the epoch has no sequence left; the caller holds mu.
func (l *leadership) exhausted() bool {
	return l.mu.last+1 >= (uint64(l.mu.p.Epoch)+1)<<sequenceBits
}

// change is what this primary wants changed now: first an epoch without those that
// failed, then one with the learners that are ready.
func (l *leadership) change() (partition.Change, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.over {
		return partition.Change{}, false
	}
	conf := l.mu.p.Configuration
	out := partition.Change{
		Partition: l.id, Epoch: conf.Epoch, Primary: conf.Primary, Replicas: conf.Replicas, Proposer: l.c.config.NodeID,
	}
	switch {
	case len(l.mu.failed) > 0: // one that was only proposed is in no list: then this only raises the epoch
		out.Replicas = slices.DeleteFunc(slices.Clone(conf.Replicas), func(r partition.Replica) bool { return l.mu.failed[r.Node] })
		out.Reason = fmt.Sprintf("%s did not take a write", joined(l.mu.failed))
		return out, true
	case l.exhausted():
		out.Reason = "the epoch has no sequences left"
		return out, true
	}
	ready := map[partition.NodeID]bool{}
	for id, one := range l.mu.learners {
		if !one.ready {
			continue
		}
		one.proposed = true // from now on it may be in sync
		ready[id] = true
		out.Replicas = append(slices.Clip(out.Replicas), partition.Replica{Node: id, Store: one.node.Store})
		out.Added = append(out.Added, partition.Added{Node: id, Start: one.node.Start()})
	}
	if len(ready) == 0 {
		return partition.Change{}, false
	}
	slices.SortFunc(out.Replicas, func(a, b partition.Replica) int { return strings.Compare(string(a.Node), string(b.Node)) })
	slices.SortFunc(out.Added, func(a, b partition.Added) int { return strings.Compare(string(a.Node), string(b.Node)) })
	out.Reason = fmt.Sprintf("%s has a whole copy", joined(ready))
	return out, true
}

// joined lists nodes for a reason in words.
func joined(nodes map[partition.NodeID]bool) string {
	var words []string
	for id := range nodes {
		words = append(words, string(id))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

package dataplane

import (
	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// summary is what an executor publishes of its replicas, for heartbeats and
// metrics: immutable, made anew a few times a second.
type summary struct {
	window                                  int64 // bytes of logs in memory
	serving, secondary, learner, notServing int
	lag                                     uint64
	idle                                    []idle
	learning                                []learning
	corrupt                                 []client.Corrupt
}

// idle is a partition that this node should serve and does not.
type idle struct {
	partition partition.ID
	epoch     partition.Epoch
	since     replica.Time
}

// learning is how far a copy here is that is brought up to date.
type learning struct {
	partition  partition.ID
	epoch      partition.Epoch
	have, want uint64 // last sequence on disk; last one known to be committed
}

// ticksPerSummary makes a summary about as old as a heartbeat, at most.
const ticksPerSummary = 4

// summarize publishes the state of the executor's replicas.
func (e *executor) summarize() {
	var s summary
	for _, l := range e.lanes {
		if l == nil {
			continue
		}
		l.group.Statuses(func(status replica.Status) { s.add(&status) })
	}
	e.summary.Store(&s)
}

func (s *summary) add(status *replica.Status) {
	s.window += int64(status.Window)
	switch {
	case status.Role == replica.Serving:
		s.serving++
	case status.Role >= replica.Waiting:
		s.notServing++
	case status.Role == replica.Secondary:
		s.secondary++
	case status.Role == replica.Learner:
		s.learner++
	}
	if status.Role >= replica.Committing && status.Last > status.Committed {
		s.lag = max(s.lag, status.Last-status.Committed)
	}
	if status.NotServingSince != 0 {
		s.idle = append(s.idle, idle{partition: status.Partition, epoch: status.Epoch, since: status.NotServingSince})
	}
	if status.Corrupt != "" {
		s.corrupt = append(s.corrupt, client.Corrupt{Partition: status.Partition, Void: status.Void})
	}
	if status.Role == replica.Learner {
		s.learning = append(s.learning, learning{
			partition: status.Partition, epoch: status.Epoch, have: status.Durable, want: status.Committed,
		})
	}
}

// actedOn is the stamp of the newest map that every executor has acted on.
func (n *Node) actedOn() (least partition.Stamp) {
	for i, e := range n.executors {
		s := e.acted.Load()
		if s == nil {
			return partition.Stamp{}
		}
		if i == 0 || s.Version < least.Version {
			least = *s
		}
	}
	return least
}

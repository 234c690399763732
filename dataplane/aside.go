package dataplane

import (
	"log/slog"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// suspect is a copy of this node's that does not hold what it should.
type suspect struct {
	id     partition.ID
	reason string
}

// Again is closed when the node should leave, be closed and started again: one of
// its copies does not hold what it should. It is put aside when the node closes,
// once others have taken over; the next start does without it, so that it is
// made anew from the other replicas.
func (n *Node) Again() <-chan struct{} { return n.again }

// found counts and tells what a comparison of rolling hashes came to. It is
// called on the executors' goroutines.
func (n *Node) found(f replica.Finding) {
	about := []any{slog.String("partition", f.Partition.String()), slog.Uint64("sequence", f.Sequence)}
	switch f.Kind {
	case replica.HashesEqual:
		n.metrics.hashChecks[hashesEqual].Inc()
	case replica.HashesDiffer:
		n.metrics.hashChecks[hashesDiffer].Inc()
		if f.Expels == "" {
			n.cfg.Logger.Error("replicas of a partition differ, and which is right cannot be told or not be helped: compare them, and start the node whose copy is wrong with an empty data directory", about...)
			return
		}
		n.cfg.Logger.Error("replicas of a partition differ", append(about, slog.String("expelled", string(f.Expels)))...)
	case replica.Corrupt:
		n.cfg.Logger.Error("a copy does not hold what it should", append(about, slog.String("reason", f.Reason))...)
		n.suspects.add(suspect{f.Partition, f.Reason})
	case replica.EntriesRefused:
		n.metrics.entriesRefused.Inc()
		n.cfg.Logger.Error("entries with a gap, or out of order, refused; none was written, and the primary sends them again",
			append(about, slog.String("node", string(f.Sender)))...)
	}
}

// damaged is told by storage that a copy's file does not hold what was written.
func (n *Node) damaged(id partition.ID, err error) {
	n.cfg.Logger.Error("a partition's file is damaged", slog.String("partition", id.String()), slog.Any("err", err))
	n.damage.add(id)
	n.suspects.add(suspect{id, err.Error()})
}

// suspects are copies that wait to be looked at. Whoever finds one must not wait
// for that.
type suspects chan suspect

// add does nothing where many wait already: the next check finds it again.
func (s suspects) add(one suspect) {
	select {
	case s <- one:
	default:
	}
}

// gatherSuspects takes suspect copies until the node closes, and asks for that
// where one of them can be done without.
func (n *Node) gatherSuspects() {
	for {
		var s suspect
		select {
		case <-n.stop:
			return
		case s = <-n.suspects:
		}
		about := []any{slog.String("partition", s.id.String()), slog.String("reason", s.reason)}
		if _, known := n.condemned[s.id]; known || n.Fenced() != nil {
			continue
		}
		if !n.dispensable(s.id) {
			n.cfg.Logger.Error("a copy that does not hold what it should is kept for now, for too few others are in sync, or no coordinator leads", about...)
			continue
		}
		n.cfg.Logger.Warn("a copy does not hold what it should; the node hands over, and starts again without it", about...)
		if n.condemned[s.id] = s.reason; len(n.condemned) == 1 {
			close(n.again)
		}
	}
}

// dispensable reports whether enough other replicas of the partition are in sync,
// and somebody is there to let this node in again.
func (n *Node) dispensable(id partition.ID) bool {
	if leader, _ := (*backend)(n).Coordinators(); leader == "" {
		return false
	}
	others, _ := n.othersInSync(id)
	return others
}

// othersInSync reports whether enough other replicas of the partition are in
// sync, and whether this node's is, by the map that it has.
func (n *Node) othersInSync(id partition.ID) (enough, alsoHere bool) {
	m := n.joined.latest()
	c, ok := m.Partition(id)
	others := len(c.Replicas)
	if alsoHere = c.InSync(n.cfg.NodeID); alsoHere {
		others--
	}
	return ok && others >= max(1, m.Settings.MinInSync), alsoHere
}

// putAside marks the condemned copies, as the last that a node does before it
// closes its storage: each that the map counts on no more. What became
// indispensable meanwhile stays, and is found again.
func (n *Node) putAside() {
	if n.Fenced() != nil {
		return // its data is not this process's to judge
	}
	for id, reason := range n.condemned {
		about := []any{slog.String("partition", id.String()), slog.String("reason", reason)}
		if enough, alsoHere := n.othersInSync(id); !enough || alsoHere {
			n.cfg.Logger.Error("a copy that does not hold what it should is kept for now, for the map counts on it", about...)
			continue
		}
		if err := n.storage.SetAside(id, reason); err != nil {
			n.cfg.Logger.Error("a copy could not be put aside", append(about, slog.Any("err", err))...)
			continue
		}
		n.metrics.setAside.Inc()
		n.cfg.Logger.Warn("a copy is put aside", about...)
	}
}

package dataplane

import (
	"errors"
	"log/slog"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// The rare inputs of the executors, from whoever brings them.

// follow brings a new map to links and executors, in the order of maps.
func (n *Node) follow(m *partition.Map) {
	if n.Fenced() != nil {
		n.followFenced()
		return
	}
	n.peers.setMap(m)
	n.sending.rate.set(m.Rebalance.Throttle)
	stamp := m.Stamp()
	n.everywhere(func(e *executor, t replica.Time) {
		e.each(func(g *replica.Group) { g.SetMap(t, m) })
		e.acted.Store(&stamp)
	})
}

// connection brings the state of the data link to a node.
func (n *Node) connection(node partition.NodeID, up bool) {
	n.everywhere(func(e *executor, t replica.Time) {
		e.each(func(g *replica.Group) { g.Connection(t, node, up) })
	})
}

// flushed brings what storage has flushed.
func (n *Node) flushed(id partition.ID, sequence uint64) {
	n.executorOf(id).inbox.event(func(e *executor, _ replica.Time) {
		e.touch(laneOf(id)).Trim(id, sequence)
	})
}

// snapshotBegins asks whether a snapshot that was ordered is wanted still, and says
// that its stream begins. No order stands once the node ends.
func (n *Node) snapshotBegins(order replica.SnapshotOrder) bool {
	answer := make(chan bool, 1)
	n.executorOf(order.Partition).inbox.event(func(e *executor, t replica.Time) {
		answer <- e.touch(laneOf(order.Partition)).SnapshotBegins(t, order)
	})
	select {
	case stands := <-answer:
		return stands
	case <-n.ctx.Done():
		return false
	}
}

// snapshotSent brings the end of a snapshot's stream.
func (n *Node) snapshotSent(order replica.SnapshotOrder, err error) {
	n.executorOf(order.Partition).inbox.event(func(e *executor, t replica.Time) {
		e.touch(laneOf(order.Partition)).SnapshotSent(t, order, err)
	})
}

// drop deletes a copy that the map has no use for. The executor goes on while the
// disk notes it.
func (n *Node) drop(id partition.ID) {
	finish := n.storage.BeginDrop(id)
	n.slots[id].Store(nil)
	n.damage.replaced(id)
	n.running.Go(func() {
		switch err := finish(); {
		case err == nil:
			n.metrics.copiesDeleted.Inc()
			n.cfg.Logger.Info("copy deleted: the partition is elsewhere", slog.String("partition", id.String()))
		case !errors.Is(err, storage.ErrClosed):
			n.cfg.Logger.Error("a copy could not be deleted", slog.String("partition", id.String()), slog.Any("err", err))
		}
	})
}

// everywhere brings an input to every executor; one that has ended needs it no
// more.
func (n *Node) everywhere(f event) {
	for _, e := range n.executors {
		e.inbox.event(f)
	}
}

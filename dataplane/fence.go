package dataplane

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// fenceLinger is how long a node that is refused for good answers at least, with
// 503 and the reason: clients and load balancers see why it goes.
const fenceLinger = 2 * time.Second

// errFenced says that this start of the node acts for the node no longer.
var errFenced = errors.New("this process is fenced")

// errAcceptedAgain ends a fenced process that the coordinators accept again: the
// map named another start for a while. What its replicas knew is out of date.
var errAcceptedAgain = errors.New("the map named another start of this node for a while; the process must start again")

// Fenced returns nil, or why this start of the node acts for the node no longer:
// another start took its place, or the coordinators refuse it for good. It
// serves no request, and its replicas are silent. Its data stays as it is.
func (n *Node) Fenced() error {
	if reason := n.fenced.Load(); reason != nil {
		return *reason
	}
	return nil
}

// fence ends this start's part in the cluster at once. It does not block. The
// client calls it before it shows the map that names another start, and before
// it asks the coordinators.
func (n *Node) fence(reason error) {
	reason = fmt.Errorf("%w: %w", errFenced, reason)
	if n.fenced.Swap(&reason) != nil {
		return // only the reason is a better one
	}
	n.cfg.Logger.Warn("node is fenced: it serves nothing and answers no other node; its data stays on disk",
		slog.String("node", string(n.cfg.NodeID)))
	n.endActing() // snapshots under way end
	n.gateway.Leave()
	if n.ready.Load() {
		n.silence()
	}
}

// silence fences the replicas, and ends the other nodes' connections to them.
// startReplicas calls it where the fence came first.
func (n *Node) silence() {
	n.silenced.Do(func() {
		n.everywhere(func(e *executor, t replica.Time) {
			e.each(func(g *replica.Group) { g.Fence(t) })
		})
		n.serving.Go(func() {
			if err := n.closeListener(); err != nil {
				n.cfg.Logger.Warn("peer listener of a fenced node not closed", slog.Any("err", err))
			}
		})
	})
}

// closeListener ends the other nodes' connections to this one.
func (n *Node) closeListener() error {
	n.unlisten.Do(func() { n.unlistened = n.listener.Close() })
	return n.unlistened
}

// refused takes what the coordinators say. A start that they refuse for good
// ends a moment later; one that has to wait is not ready.
func (n *Node) refused(reason *client.RefusedError) {
	if reason.Above > 0 {
		if err := n.storage.StartAbove(reason.Above); err != nil {
			n.cfg.Logger.Error("counter of the next start not raised", slog.Any("err", err))
		}
	}
	if reason.Waits {
		n.waits.Store(reason)
		return
	}
	n.fence(reason)
	n.endSoon(reason)
}

// endSoon fails the node after fenceLinger, with the first reason that it is given.
// Where it is being closed by then, whoever closes it knows why.
func (n *Node) endSoon(err error) {
	n.ending.Do(func() {
		n.serving.Go(func() {
			linger := time.NewTimer(fenceLinger)
			defer linger.Stop()
			select {
			case <-linger.C:
				n.fail(err)
			case <-n.ctx.Done():
			}
		})
	})
}

// followFenced takes the maps of a fenced node. Only whether the coordinators
// accept it again counts, which the client knows: a map from before the fence may
// come after it.
func (n *Node) followFenced() {
	if n.joined.joined.Load().client.Err() == nil {
		n.endSoon(errAcceptedAgain)
	}
}

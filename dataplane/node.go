package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/dataplane/gateway"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// ErrClosed says that the node was closed.
var ErrClosed = errors.New("node is closed")

// Node is a running data node.
type Node struct {
	cfg        Config
	self       replica.Peer
	storage    *storage.Engine
	recovered  []storage.Recovered // until the replicas have it
	joined     *membership
	requests   *requests
	metrics    *metrics
	registered *registration

	listener  transport.Listener
	peers     *peers
	sending   *sending
	receiving *receiving
	packer    *packer
	gateway   *gateway.Gateway
	http      net.Listener

	// Set once, before ready is.
	slots     slots
	executors []*executor
	ready     atomic.Bool
	sealing   sealing
	leaving   atomic.Bool   // Leave has begun
	released  atomic.Bool   // its grants are back: the heartbeats may say that it leaves
	started   chan struct{} // closed with the first ready
	suspects  suspects
	damage    damagedCopies
	again     chan struct{}
	condemned map[partition.ID]string // copies that do not hold what they should, and why

	// fenced is why this start acts for the node no longer; nil while it does.
	fenced     atomic.Pointer[error]
	ending     sync.Once
	silenced   sync.Once
	unlisten   sync.Once
	unlistened error
	// waits is what the coordinators said when they last made this start wait.
	waits     atomic.Pointer[client.RefusedError]
	acting    context.Context // ends with the fence, or when the node closes
	endActing context.CancelFunc

	ctx     context.Context // ends when the node closes
	cancel  context.CancelFunc
	stop    chan struct{} // ends the executors
	running sync.WaitGroup
	serving sync.WaitGroup

	closing sync.Once
	closed  error
	failing sync.Once
	done    chan struct{}
	fault   error // why done was closed
}

// Start starts a node, and returns when it is a member of its cluster: its
// registration stands in the map. ctx bounds only that. The HTTP interface
// answers before, with 503 and the reason. Errors: what is wrong with the
// configuration, the data directory or the addresses; a *client.RefusedError
// where the coordinators refuse the node.
func Start(ctx context.Context, c Config) (*Node, error) {
	return start(ctx, c, join)
}

// HTTPAddr is the address that the HTTP interface listens on, with its actual
// port.
func (n *Node) HTTPAddr() string { return n.http.Addr().String() }

// PeerAddr is the address that other nodes reach it at, with its actual port.
func (n *Node) PeerAddr() string { return n.listener.Addr() }

// Done is closed when the node cannot go on; Err then says why: its disk failed,
// or the coordinators refuse it for good, a *client.RefusedError. The node still
// has to be closed.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is why Done is closed; nil before.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.fault
	default:
		return nil
	}
}

// fail ends the node's service for good. It does not block.
func (n *Node) fail(err error) {
	n.failing.Do(func() {
		if n.Fenced() == nil { // otherwise it was said when it was fenced, and refused
			n.cfg.Logger.Error("node cannot go on", slog.Any("err", err))
		}
		n.fault = err
		close(n.done)
		if n.cfg.Failed != nil {
			n.serving.Go(func() { n.cfg.Failed(err) })
		}
	})
}

// Close ends the node: HTTP first, so that what is under way can finish, then
// replication, connections and storage. Every goroutine of the node has ended
// when it returns. The map still names the node: it may start again.
func (n *Node) Close() error {
	n.closing.Do(func() { n.closed = n.shut() })
	return n.closed
}

func (n *Node) shut() error {
	var faults []error
	note := func(what string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", what, err))
		}
	}
	if n.ready.Load() {
		n.cfg.Logger.Info("node ends", slog.String("node", string(n.cfg.NodeID)))
	}
	n.leaving.Store(true) // it is not ready any more, and still serves
	if n.gateway != nil {
		note("gateway", n.gateway.Close())
	}
	n.ready.Store(false)
	n.cancel()
	if j := n.joined.joined.Load(); j != nil {
		note("leave coordinators", j.client.Close())
	}
	if n.sending != nil {
		n.sending.wait()
	}
	if n.listener != nil {
		note("peer listener", n.closeListener())
	}
	if n.receiving != nil {
		n.receiving.close()
	}
	if n.packer != nil {
		n.packer.close()
	}
	close(n.stop)
	n.running.Wait()
	if n.peers != nil {
		n.peers.close()
	}
	if n.storage != nil {
		n.putAside()
		note("storage", n.storage.Close())
	}
	n.serving.Wait()
	n.registered.undo()
	return errors.Join(faults...)
}

// executorIndex is the executor that owns a lane.
func (n *Node) executorIndex(lane int) int { return lane % len(n.executors) }

func (n *Node) executorOf(id partition.ID) *executor {
	return n.executors[n.executorIndex(laneOf(id))]
}

// Package coordinator is one member of the Raft group that keeps the partition
// map: it applies commands to coordinator/state, feeds coordinator/liveness
// with the nodes' heartbeats, streams the map to whoever follows it, and
// serves administration over HTTP. The command line starts it. It never sees a
// client's data, and nothing on the data path waits for it.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/rebalance"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// Coordinator is a running member of the group.
type Coordinator struct {
	config  Config
	log     *slog.Logger
	metrics *metrics
	started time.Time // what the steady clock counts from
	ctx     context.Context
	cancel  context.CancelFunc

	lock      *flock.Flock
	fsm       *fsm
	group     atomic.Pointer[raftGroup] // nil until the group is made
	leading   atomic.Bool               // this leader has applied all that was committed
	stream    *mapStream
	relay     *relay
	proposals *proposals
	peers     map[string]*peer // the other members; fixed
	memberIDs []string         // all members, sorted; fixed
	serving   chan struct{}    // one element for each request being served
	changing  chan struct{}    // has one element while a coordinator is added or removed
	asked     *askers
	callers   callers
	barring   atomic.Pointer[[]protocol.Stranger] // who kept this one from founding a cluster, last
	proving   atomic.Bool                         // a barrier for a follower ahead of us is under way
	listener  transport.Listener
	http      *httpServer

	rebalancer *rebalance.Rebalancer // the balance goroutine's

	orders   chan []state.Command // to the goroutine that commits what the detector wants
	liveness struct {
		sync.Mutex
		detector *liveness.Detector
	}
	member struct {
		updating sync.Mutex // one change of the file at a time
		value    atomic.Pointer[member]
		waits    atomic.Pointer[[]string] // members not heard of, while the group is not made
	}
	running struct {
		sync.Mutex
		closed bool
		err    error
		wg     sync.WaitGroup
	}
	stopping sync.Once
	stopErr  error // of stop; valid when done is closed
	done     chan struct{}
}

// Start opens the data directory, listens, and joins the group. It returns
// before the group has a leader, and before the other members of a group that
// is being made have been heard of; what goes wrong after that ends Done.
func Start(config Config) (*Coordinator, error) {
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("start coordinator %s: %w", config.ID, err)
	}
	c := &Coordinator{
		config: config, log: config.Logger.With("coordinator", config.ID), started: time.Now(),
		memberIDs: slices.Sorted(maps.Keys(config.InitialCluster)),
		asked:     newAskers(), peers: make(map[string]*peer), serving: make(chan struct{}, maxServing), changing: make(chan struct{}, 1), orders: make(chan []state.Command), done: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.fsm = newFSM(c.fail)
	c.stream = newMapStream(c.fsm.Map, c.beat, c.fsm.descent, c.lostFollower, c.mapHeld)
	c.relay = newRelay()
	c.proposals = newProposals(c.commitChanges)
	c.liveness.detector = liveness.New(liveness.Config{Tick: config.Timings.Tick})
	c.rebalancer = rebalance.New(rebalance.Config{ReplaceAfter: config.Timings.ReplaceAfter})
	c.metrics = newMetrics(c)
	if err := c.open(); err != nil {
		c.stop(nil)
		return nil, err
	}
	c.run()
	return c, nil
}

// open takes everything that can be refused: directory, addresses, group.
func (c *Coordinator) open() error {
	dir := c.config.DataDir
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("start coordinator %s: %w", c.config.ID, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return fmt.Errorf("start coordinator %s: %w", c.config.ID, err)
	}
	c.lock = lock
	m, err := loadMember(dir, c.config.ID)
	if err != nil {
		return err
	}
	c.member.value.Store(m)
	if err := c.agree(*m); err != nil {
		return err
	}
	if err := c.listen(); err != nil {
		return err
	}
	if len(m.Group) == 0 {
		// Most often the others answer at once; the rest of the waiting is done
		// in the background.
		if err := c.meet(c.ctx, time.Second); err != nil && !errors.Is(err, errWaiting) {
			return err
		}
	}
	if c.memberCopy().Group == nil {
		return nil
	}
	return c.join()
}

// lockDir takes a directory for this process.
func lockDir(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, "lock"))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("lock directory %s: %w", dir, err)
	} else if !ok {
		return nil, fmt.Errorf("directory %s is in use by another process", dir)
	}
	return lock, nil
}

// agree compares the given settings with those the cluster was created with, as
// far as this member has applied that.
func (c *Coordinator) agree(m member) error {
	if m.ClusterID == "" {
		return nil
	}
	if err := disagreements(c.config.Settings, m.Settings, c.config.Application, m.Application); err != nil {
		return fmt.Errorf("start coordinator %s of cluster %s: %w", c.config.ID, m.ClusterID, err)
	}
	return nil
}

// join runs Raft, now that the group is known.
func (c *Coordinator) join() error {
	g, err := c.startRaft()
	if err != nil {
		return fmt.Errorf("start coordinator %s: %w", c.config.ID, err)
	}
	c.group.Store(g)
	return nil
}

// run starts every goroutine of the coordinator that lasts.
func (c *Coordinator) run() {
	c.goroutine(c.leadership)
	c.goroutine(c.noteCluster)
	c.goroutine(c.tellRestored)
	c.goroutine(c.watchNodes)
	c.goroutine(c.giveOrders)
	c.goroutine(c.balance)
	c.goroutine(func() { c.proposals.run(c.ctx) })
	c.goroutine(func() { c.stream.run(c.ctx, c.fsm.changed, c.config.Timings.Beat) })
	if c.http != nil {
		c.goroutine(c.http.serve)
	}
}

// goroutine runs work, and has stop wait for it; false once stop has begun.
func (c *Coordinator) goroutine(work func()) bool {
	c.running.Lock()
	defer c.running.Unlock()
	if c.running.closed {
		return false
	}
	c.running.wg.Go(work)
	return true
}

// fail ends the coordinator for a reason; it does not wait for the end.
func (c *Coordinator) fail(err error) {
	c.log.Error("coordinator stops", "err", err)
	go c.stop(err)
}

// stop ends everything, once, and waits for it.
func (c *Coordinator) stop(reason error) {
	c.stopping.Do(func() {
		var errs []error
		c.running.Lock()
		c.running.closed, c.running.err = true, reason
		c.running.Unlock()
		if g := c.group.Load(); g != nil && reason == nil {
			g.handOver()
		}
		c.cancel()
		if c.http != nil {
			c.http.close()
		}
		for _, p := range c.peers {
			_ = p.link.Close()
		}
		if c.listener != nil {
			errs = append(errs, c.listener.Close())
		}
		_ = c.closeGroup() // the second tells
		c.running.wg.Wait()
		errs = append(errs, c.closeGroup()) // also if it was made meanwhile
		if c.lock != nil {
			errs = append(errs, c.lock.Unlock())
		}
		c.stopErr = errors.Join(errs...)
		c.metrics.unregister()
		close(c.done)
	})
	<-c.done
}

func (c *Coordinator) closeGroup() error {
	if g := c.group.Load(); g != nil {
		return g.close()
	}
	return nil
}

// Close hands leadership over, stops everything, and waits for it.
func (c *Coordinator) Close() error {
	c.stop(nil)
	if c.stopErr != nil {
		return fmt.Errorf("close coordinator %s: %w", c.config.ID, c.stopErr)
	}
	return nil
}

// Done is closed when the coordinator has stopped, by Close or because of Err.
func (c *Coordinator) Done() <-chan struct{} { return c.done }

// Err is why the coordinator stopped by itself; nil after Close.
func (c *Coordinator) Err() error {
	c.running.Lock()
	defer c.running.Unlock()
	return c.running.err
}

// ID is the coordinator's name in the group.
func (c *Coordinator) ID() string { return c.config.ID }

// PeerAddr is the address actually listened on.
func (c *Coordinator) PeerAddr() string { return c.listener.Addr() }

// HTTPAddr is the address actually listened on, "" without HTTP.
func (c *Coordinator) HTTPAddr() string {
	if c.http == nil {
		return ""
	}
	return c.http.addr
}

// Leader is the ID of the member that leads, as far as this one knows; "" if
// there is none.
func (c *Coordinator) Leader() string {
	g := c.group.Load()
	if g == nil {
		return ""
	}
	_, id := g.raft.LeaderWithID()
	return string(id)
}

// Leading reports whether this member leads, and has applied everything that
// was committed before it did.
func (c *Coordinator) Leading() bool { return c.leading.Load() }

// Map is the map as far as this member has applied it. It never changes.
func (c *Coordinator) Map() *partition.Map { return c.fsm.Map() }

// now is the coordinator's steady clock.
func (c *Coordinator) now() time.Duration { return time.Since(c.started) }

// notReady is why this coordinator cannot serve now; nil if it can.
func (c *Coordinator) notReady() error {
	g := c.group.Load()
	switch {
	case c.ctx.Err() != nil:
		return errors.New("the coordinator stops")
	case c.barred() != nil:
		return c.barred()
	case g == nil:
		if waits := c.member.waits.Load(); waits != nil {
			if order := waitsForOrder(c.config.ID); slices.Contains(*waits, order) {
				return fmt.Errorf("its place is vacant: it waits for %s", order)
			}
			if len(*waits) == 0 {
				return fmt.Errorf("%w: it waits a moment for nodes of an earlier cluster to call", errWaiting)
			}
			return fmt.Errorf("%w: for the first start it waits to hear of %v", errWaiting, *waits)
		}
		return errWaiting
	case c.Leader() == "":
		return errNoLeader
	case c.fsm.Map().ClusterID == "":
		return errors.New("the cluster is being created")
	case g.raft.State() == raft.Follower && time.Since(g.raft.LastContact()) > 2*c.config.Timings.RaftHeartbeat:
		return errNoLeader
	}
	return nil
}

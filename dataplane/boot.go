package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/gateway"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// join is client.Join as the node needs it.
func join(ctx context.Context, c client.Config) (coordinators, error) { return client.Join(ctx, c) }

// start starts a node that joins its cluster through join.
func start(ctx context.Context, c Config, join func(context.Context, client.Config) (coordinators, error)) (*Node, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("node configuration: %w", err)
	}
	n := &Node{
		cfg: c, joined: &membership{}, started: make(chan struct{}), again: make(chan struct{}), suspects: make(suspects, 16), condemned: map[partition.ID]string{}, stop: make(chan struct{}), done: make(chan struct{}),
		registered: &registration{to: c.Registerer},
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.acting, n.endActing = context.WithCancel(n.ctx)
	for _, step := range []func(context.Context) error{
		n.openStorage,
		n.listen, // before it registers, so that the ports advertised are bound
		n.serveHTTP,
		func(ctx context.Context) error { return n.join(ctx, join) },
		n.startReplicas,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("start node %s: %w", c.NodeID, err), n.Close())
		}
	}
	return n, nil
}

// openStorage opens the data directory: its log is synced and replayed then.
func (n *Node) openStorage(context.Context) error {
	n.metrics = newMetrics(n.registered)
	if n.registered.fault != nil {
		return fmt.Errorf("metrics: %w", n.registered.fault)
	}
	engine, err := storage.Open(storage.Options{
		Dir: n.cfg.DataDir, NodeID: n.cfg.NodeID,
		MemoryTable: n.cfg.MemoryTable, LogRetention: n.cfg.LogRetention,
		ReserveDisk: n.cfg.DiskReserve, ResumeDisk: n.cfg.DiskResume, FreeSpace: n.cfg.FreeSpace,
		LogFiles: n.cfg.LogFiles,
		Logger:   n.cfg.Logger, Registerer: n.cfg.Registerer,
		Failed:  n.fail,
		Damaged: n.damaged, ScrubRate: n.cfg.ScrubRate,
	})
	if err != nil {
		return fmt.Errorf("open %s: %w", n.cfg.DataDir, err)
	}
	n.storage, n.recovered = engine, engine.Recovered()
	identity := engine.Identity()
	n.self = replica.Peer{Node: n.cfg.NodeID, Store: identity.StoreID, Start: identity.Start}
	n.requests = newRequests(identity.StoreID, identity.Start)
	for _, lost := range engine.Lost() {
		n.cfg.Logger.Error("a copy is lost", slog.String("partition", lost.Partition.String()), slog.Any("err", lost.Reason))
	}
	return nil
}

// listen binds the peer address. Until the node has joined, every hello is
// refused.
func (n *Node) listen(context.Context) error {
	handler := &inboundHandler{node: n}
	listener, err := n.cfg.Network.Listen(n.cfg.PeerAddr, transport.Options{
		TLS: n.cfg.TLS, Logger: n.cfg.Logger, MaxFrame: maxFrame, SendBuffer: sendBuffer,
		Hello: func() []byte {
			h := hello{Cluster: n.joined.cluster(), Self: n.self}
			return h.append(nil)
		},
		Verify: handler.verify, Handler: handler,
	})
	if err != nil {
		return fmt.Errorf("listen on peer address %s: %w", n.cfg.PeerAddr, err)
	}
	n.listener = listener
	return nil
}

// serveHTTP begins to answer clients: with 503 until the node is ready.
func (n *Node) serveHTTP(ctx context.Context) error {
	var err error
	if n.http, err = (&net.ListenConfig{}).Listen(ctx, "tcp", n.cfg.HTTPAddr); err != nil {
		return fmt.Errorf("listen on HTTP address %s: %w", n.cfg.HTTPAddr, err)
	}
	n.gateway, err = gateway.New(gateway.Options{
		Backend: (*backend)(n), Limits: n.cfg.Limits, Logger: n.cfg.Logger,
		Registerer: n.registered, Gatherer: n.cfg.Gatherer,
	})
	if err != nil {
		return errors.Join(err, n.http.Close())
	}
	n.serving.Go(func() {
		if err := n.gateway.Serve(n.http); err != nil {
			n.fail(err)
		}
	})
	return nil
}

// join registers the node, with the copies it has, and learns its cluster.
func (n *Node) join(ctx context.Context, join func(context.Context, client.Config) (coordinators, error)) error {
	httpAddr, err := advertised(n.cfg.HTTPAddr, n.cfg.AdvertiseHTTPAddr, n.HTTPAddr())
	if err != nil {
		return err
	}
	peerAddr, err := advertised(n.cfg.PeerAddr, n.cfg.AdvertisePeerAddr, n.PeerAddr())
	if err != nil {
		return err
	}
	identity, found := n.storage.Identity(), n.copies()
	c, err := join(ctx, client.Config{
		NodeID: n.cfg.NodeID, Coordinators: n.cfg.Coordinators, Application: n.cfg.Application, Zone: n.cfg.Zone,
		HTTPAddr: httpAddr, PeerAddr: peerAddr,
		Store: identity.StoreID, Start: identity.Start,
		Accepted: identity.Accepted, AcceptedIn: identity.AcceptedIn, Since: identity.Since,
		OnAccepted: n.storage.AcceptStart, ClusterID: identity.ClusterID,
		Copies: found, CurrentCopies: func(sealed uint64) []client.Copy { return n.currentCopies(found, sealed) },
		Report: n.report, OnMap: n.joined.onMap, OnFenced: n.fence, OnRefused: n.refused, ProposesItself: true,
		TLS: n.cfg.TLS, Network: n.cfg.Network, Logger: n.cfg.Logger,
	})
	if err != nil {
		return fmt.Errorf("join the cluster: %w", err)
	}
	n.joined.joined.Store(&joined{client: c})
	if err := n.storage.BindCluster(c.ClusterID()); err != nil {
		return fmt.Errorf("join the cluster: %w", err)
	}
	return nil
}

// copies are those that storage recovered, as a registration reports them; one
// that is damaged has no lineage.
func (n *Node) copies() []client.Copy {
	var copies []client.Copy
	for _, r := range n.recovered {
		copies = append(copies, client.Copy{Partition: r.Partition, Epoch: r.Adopted, Lineage: r.Lineage, Configuration: r.Configuration})
	}
	for _, l := range n.storage.Lost() {
		copies = append(copies, client.Copy{Partition: l.Partition})
	}
	return copies
}

// currentCopies are those that a registration reports which is repeated, for
// coordinators that were restored from an old backup: by now the copies may have
// adopted epochs that the map lacks. Where sealed is not 0, they adopt nothing after
// that before a map above that version, also those that are yet to be started.
func (n *Node) currentCopies(found []client.Copy, sealed uint64) []client.Copy {
	n.sealing.Lock()
	n.sealing.version = max(n.sealing.version, sealed)
	running := n.sealing.running
	n.sealing.Unlock()
	if !running {
		return found
	}
	told := make(chan []client.Copy, len(n.executors))
	asked := 0
	for _, e := range n.executors {
		if e.inbox.event(func(e *executor, _ replica.Time) { told <- e.copies(sealed) }) {
			asked++
		}
	}
	var copies []client.Copy
	for range asked {
		select {
		case some := <-told:
			copies = append(copies, some...)
		case <-n.ctx.Done():
			return copies
		}
	}
	return copies
}

// sealing is up to which map version the replicas are to adopt nothing. It is told
// to the executors once they run.
type sealing struct {
	sync.Mutex
	version uint64
	running bool
}

// seal seals the executor's replicas; 0 changes nothing.
func (e *executor) seal(version uint64) {
	for _, l := range e.lanes {
		if l != nil {
			l.group.Seal(version)
		}
	}
}

// copies are those of the executor's replicas.
func (e *executor) copies(sealed uint64) []client.Copy {
	e.seal(sealed)
	var copies []client.Copy
	for _, l := range e.lanes {
		if l == nil {
			continue
		}
		l.group.Copies(func(c replica.Copy) {
			copies = append(copies, client.Copy{Partition: c.Partition, Epoch: c.Adopted, Lineage: c.Lineage, Configuration: c.Configuration})
		})
	}
	return copies
}

// startReplicas makes the executors, gives them the copies from disk, and then
// the map. The promise that this boot may give is durable before any beacon
// can be answered (rule L2); what an earlier boot gave is waited for (L5).
func (n *Node) startReplicas(context.Context) (err error) {
	j := n.joined.joined.Load()
	settings := j.client.Map().Settings
	held := n.storage.Identity().HeldPromise
	if err := n.storage.HoldPromise(n.cfg.Timings.Promise); err != nil {
		return fmt.Errorf("promise: %w", err)
	}
	n.peers = &peers{
		self: n.self, network: n.cfg.Network, tls: n.cfg.TLS, logger: n.cfg.Logger,
		joined: n.joined, connection: n.connection,
	}
	if n.packer, err = newPacker(); err != nil {
		return err
	}
	n.sending = &sending{
		packer: n.packer, rate: newThrottle(),
		ctx: n.acting, stands: n.snapshotBegins, open: n.storage.Snapshot, logger: n.cfg.Logger,
		link:  func(to partition.NodeID) transport.Link { return n.peers.link(to, classBulk) },
		sent:  n.snapshotSent,
		count: func(outcome string) { n.metrics.snapshots.WithLabelValues("out", outcome).Inc() },
	}
	n.slots = make(slots, settings.Partitions)
	n.receiving = n.newReceiving()
	booted := now()
	for range n.cfg.Executors {
		n.executors = append(n.executors, n.newExecutor())
	}
	for number := range Lanes {
		n.executors[n.executorIndex(number)].lanes[number] = &lane{
			number: number, group: replica.NewGroup(n.groupConfig(number, settings, booted, held)),
		}
	}
	for _, r := range n.recovered {
		if int(r.Partition) >= len(n.slots) {
			return fmt.Errorf("%v is on disk, the cluster has %d partitions", r.Partition, len(n.slots))
		}
		n.slots.install(r.Partition, r.State)
		n.executorOf(r.Partition).lanes[laneOf(r.Partition)].group.Load(replica.Copy{
			Partition: r.Partition, Lineage: r.Lineage, Adopted: r.Adopted, Configuration: r.Configuration,
			Applied: r.Applied, Logged: r.Logged, Log: r.Log, State: r.State,
		})
	}
	n.recovered = nil // the groups have it now
	n.gauges(n.registered)
	if n.registered.fault != nil {
		return fmt.Errorf("metrics: %w", n.registered.fault)
	}
	n.storage.SetFlushed(n.flushed)
	n.sealing.Lock()
	for _, e := range n.executors {
		e.seal(n.sealing.version)
		n.running.Go(func() { e.run(n.stop) })
	}
	n.sealing.running = true
	n.sealing.Unlock()
	n.running.Go(n.gatherSuspects)
	// From here on hellos are accepted, and maps acted on.
	n.joined.joined.Store(&joined{id: j.client.ClusterID(), client: j.client})
	n.joined.start(n.follow)
	n.ready.Store(true)
	if n.Fenced() != nil { // since it joined
		n.silence()
	}
	n.cfg.Logger.Info("node started", slog.String("node", string(n.cfg.NodeID)),
		slog.String("addr", n.HTTPAddr()), slog.String("peer_addr", n.PeerAddr()))
	close(n.started)
	return nil
}

func (n *Node) newExecutor() *executor {
	e := newExecutor(n.cfg.InboxBytes, &outlet{
		silent: func() bool { return n.Fenced() != nil },
		write:  n.storage.Append, peers: n.peers, metrics: n.metrics,
		propose: n.joined.joined.Load().client.Propose, snapshots: n.sending.order, findings: n.found,
		frames: map[partition.NodeID]*frames{},
	})
	e.install = func(id partition.ID, table *storage.Table) {
		n.slots.install(id, table)
		n.damage.replaced(id)
	}
	e.shortage, e.allowance = n.shortage, n.sending.rate.take
	return e
}

// expiryBatch is a lane's share of a rate, for each tick: one at least.
func expiryBatch(rate int) int {
	return max(1, int(time.Duration(rate)*tickInterval/(Lanes*time.Second)))
}

// shortage is what this node lacks for more writes.
func (n *Node) shortage() (s replica.Shortage) {
	if n.storage.MemoryFull() || n.windows() > n.mostWindows() {
		s |= replica.ShortOfMemory
	}
	if n.storage.DiskFull() {
		s |= replica.ShortOfDisk
	}
	return s
}

// windowShare is which part of LogRetention is kept in memory for replicas that
// will come back; while one is away, all of it is. What is not flushed is there
// anyway, and can be as much again.
const windowShare = 4

// windows is how much of all logs is in memory, in bytes.
func (n *Node) windows() (sum int64) {
	for _, e := range n.executors {
		sum += e.summary.Load().window
	}
	return sum
}

// mostWindows bounds what is kept for a learner in progress (K1): more than what
// is there without one. Where writes outrun it, they wait for it.
func (n *Node) mostWindows() int64 {
	return 3 * max(n.cfg.MemoryTable, n.cfg.LogRetention, 64<<20)
}

func (n *Node) groupConfig(number int, s partition.Settings, booted replica.Time, held time.Duration) replica.Config {
	return replica.Config{
		Self: n.self, MinInSync: s.MinInSync, ReplicationFactor: s.ReplicationFactor,
		Timings: n.cfg.Timings, Booted: booted, HeldPromise: held,
		LogRetention: int(n.cfg.LogRetention / windowShare / Lanes), AwayRetention: int(n.cfg.LogRetention / Lanes),
		ExpiryBatch: expiryBatch(n.cfg.ExpiryRate),
		Owns:        func(id partition.ID) bool { return laneOf(id) == number },
		Open: func(id partition.ID, lineage uint32) replica.State {
			table := n.storage.OpenPartition(id, lineage)
			n.slots.install(id, table)
			return table
		},
		Drop: n.drop,
		Publish: func(id partition.ID, view *replica.View) {
			if n.slots.publish(id, view) {
				n.metrics.takeOvers.Inc()
			}
		},
	}
}

func (n *Node) newReceiving() *receiving {
	executor := func(meta replica.SnapshotMeta) *executor { return n.executorOf(meta.Partition) }
	return &receiving{
		packer: n.packer,
		create: func(id partition.ID, lineage uint32, applied entry.Position) (*storage.Receiver, error) {
			if n.storage.DiskFull() {
				return nil, errNoRoom
			}
			return n.storage.Receive(id, lineage, applied)
		},
		wants:  func(m replica.SnapshotMeta, done func(bool)) { executor(m).wants(m, done) },
		begins: func(m replica.SnapshotMeta, done func(bool)) { executor(m).begins(m, done) },
		kept:   func(m replica.SnapshotMeta) { executor(m).kept(m) },
		installed: func(m replica.SnapshotMeta, table *storage.Table, done func()) {
			executor(m).installed(m, table, done)
		},
		partitions: len(n.slots),
		count:      func(outcome string) { n.metrics.snapshots.WithLabelValues("in", outcome).Inc() },
		open:       map[receivingKey]*receivedStream{},
	}
}

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// errNoLeader says that a command could not be committed for want of a leader.
var errNoLeader = errors.New("the coordinators have no leader")

// raftGroup is this member's running Raft, with all that belongs to it.
type raftGroup struct {
	raft   *raft.Raft
	trans  *raftTransport
	log    *raftLog
	layer  *streamLayer
	store  *raftboltdb.BoltStore
	leader <-chan bool

	closing  sync.Once
	closeErr error
}

// startRaft runs Raft on the directory's state, made from the member's group if
// it never ran there.
func (c *Coordinator) startRaft() (*raftGroup, error) {
	m := c.memberCopy()
	switch {
	case m.Started:
	case m.Token != 0:
		if err := c.takeSeat(); err != nil {
			return nil, fmt.Errorf("take the place: %w", err)
		}
	default:
		if err := c.foundGroup(m); err != nil {
			return nil, fmt.Errorf("found the group: %w", err)
		}
	}
	log := newRaftLog(c.log)
	conf := c.raftConfig(log)
	store, snapshots, err := openRaftFiles(c.config.DataDir, conf)
	if err != nil {
		return nil, err
	}
	layer := newStreamLayer(c.config.AdvertisePeerAddr, m.token(), c.config.DialStream, c.log)
	trans := &raftTransport{NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		ServerAddressProvider: addresses{c.config.InitialCluster}, Logger: log, Stream: layer,
		MaxPool: 3, Timeout: time.Second,
	})}
	r, err := raft.NewRaft(conf, c.fsm, store, store, snapshots, trans)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start Raft: %w", err), trans.Close(), store.Close())
	}
	return &raftGroup{raft: r, trans: trans, log: log, layer: layer, store: store, leader: r.LeaderCh()}, nil
}

func (c *Coordinator) raftConfig(log *raftLog) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(c.config.ID)
	conf.HeartbeatTimeout = c.config.Timings.RaftHeartbeat
	conf.ElectionTimeout = c.config.Timings.RaftElection
	conf.LeaderLeaseTimeout = c.config.Timings.RaftLease
	conf.TrailingLogs = 2048
	conf.SnapshotThreshold = 4096
	conf.SnapshotInterval = 30 * time.Second
	conf.PreVoteDisabled = false
	conf.NoLegacyTelemetry = true
	conf.Logger = log
	return conf
}

// foundGroup writes Raft's first configuration, the same on every member, over
// whatever an earlier attempt left: Raft has never run here.
func (c *Coordinator) foundGroup(m member) error {
	dir := c.config.DataDir
	if err := os.Remove(filepath.Join(dir, raftFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, snapshotsPath)); err != nil {
		return err
	}
	conf := c.raftConfig(newRaftLog(c.log))
	store, snapshots, err := openRaftFiles(dir, conf)
	if err != nil {
		return err
	}
	var servers raft.Configuration
	for _, g := range m.Group {
		servers.Servers = append(servers.Servers, raft.Server{ID: raft.ServerID(g.ID), Address: raft.ServerAddress(g.Addr)})
	}
	_, trans := raft.NewInmemTransport("")
	err = errors.Join(raft.BootstrapCluster(conf, store, store, snapshots, trans, servers), store.Close(), syncDir(dir))
	if err != nil {
		return err
	}
	return c.updateMember(func(m *member) { m.Started = true })
}

// takeSeat begins in a place that was given anew, with nothing: the leader brings
// log and configuration.
func (c *Coordinator) takeSeat() error {
	store, _, err := openRaftFiles(c.config.DataDir, c.raftConfig(newRaftLog(c.log)))
	if err != nil {
		return err
	}
	if err := errors.Join(store.Close(), syncDir(c.config.DataDir)); err != nil {
		return err
	}
	return c.updateMember(func(m *member) { m.Started = true })
}

func openRaftFiles(dir string, conf *raft.Config) (*raftboltdb.BoltStore, raft.SnapshotStore, error) {
	store, err := raftboltdb.New(raftboltdb.Options{
		Path:        filepath.Join(dir, raftFile),
		BoltOptions: &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open Raft's log %s: %w", filepath.Join(dir, raftFile), err)
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, conf.Logger)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open Raft's snapshots in %s: %w", dir, err), store.Close())
	}
	return store, snapshots, nil
}

// handOverTimeout bounds the wait for another leader: Raft itself gives up sooner,
// unless its disk hangs.
const handOverTimeout = 2 * time.Second

// handOver gives leadership to another member, if it is here.
func (g *raftGroup) handOver() {
	if g.raft.State() == raft.Leader {
		// Where it fails, the others elect one by themselves.
		ctx, cancel := context.WithTimeout(context.Background(), handOverTimeout)
		defer cancel()
		_ = await(ctx, g.raft.LeadershipTransfer())
	}
}

// close stops Raft.
func (g *raftGroup) close() error {
	g.closing.Do(func() {
		g.log.ending.Store(true)
		if err := g.raft.Shutdown().Error(); err != nil {
			g.closeErr = fmt.Errorf("stop Raft: %w", err)
		}
		g.trans.end()
		g.closeErr = errors.Join(g.closeErr, g.layer.Close(), g.store.Close())
	})
	return g.closeErr
}

// raftTransport keeps heartbeats from Raft's state once it has stopped: Raft
// handles them on the connections' goroutines, which its Shutdown does not wait
// for, and panics where its store is closed by then.
type raftTransport struct {
	*raft.NetworkTransport
	mu    sync.RWMutex
	ended bool
}

// SetHeartbeatHandler implements raft.Transport.
func (t *raftTransport) SetHeartbeatHandler(handle func(raft.RPC)) {
	t.NetworkTransport.SetHeartbeatHandler(func(rpc raft.RPC) {
		t.mu.RLock()
		defer t.mu.RUnlock()
		if t.ended {
			rpc.Respond(nil, raft.ErrRaftShutdown)
			return
		}
		handle(rpc)
	})
}

// end returns when no heartbeat is being handled, and none will be.
func (t *raftTransport) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// addresses finds members where the flags say they are, for an address may
// change while Raft's own configuration has the old one.
type addresses struct{ initial map[string]string }

// ServerAddr implements raft.ServerAddressProvider.
func (a addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if addr, ok := a.initial[string(id)]; ok {
		return raft.ServerAddress(addr), nil
	}
	return "", fmt.Errorf("initial-cluster does not name %s", id)
}

package coordinator

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// leadership makes the group if it is not made yet, and follows who leads it.
func (c *Coordinator) leadership() {
	if c.group.Load() == nil {
		if err := c.found(); err != nil {
			if c.ctx.Err() == nil {
				c.fail(err)
			}
			return
		}
	}
	g := c.group.Load()
	for {
		select {
		case <-c.ctx.Done():
			return
		case leads := <-g.leader:
			c.leading.Store(false)
			c.log.Info("leadership changed", "leading", leads)
			if leads {
				c.takeOffice(g)
			}
		}
	}
}

// found waits for the other members, however long it takes.
func (c *Coordinator) found() error {
	if err := c.meet(c.ctx, 0); err != nil {
		return err
	}
	return c.join()
}

// takeOffice begins to lead once everything committed before is applied here.
func (c *Coordinator) takeOffice(g *raftGroup) {
	for g.raft.State() == raft.Leader && c.ctx.Err() == nil {
		if err := c.barrier(g); err != nil {
			c.log.Warn("leader has not caught up", "err", err)
			c.pause(retryLeader)
			continue
		}
		c.liveness.Lock()
		c.liveness.detector.BecameLeader(c.now())
		c.liveness.Unlock()
		if c.fsm.Map().ClusterID == "" && (!c.mayCreate(c.ctx) || !c.createCluster()) {
			c.pause(retryLeader)
			continue
		}
		if !c.sayRestored() {
			c.pause(retryLeader)
			continue
		}
		c.metrics.elections.Inc()
		c.leading.Store(true)
		return
	}
}

// createCluster gives the cluster its identity and settings, as the first
// leader of the group.
func (c *Coordinator) createCluster() bool {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, as its documentation says
	command := state.Create{
		ClusterID: hex.EncodeToString(id[:]), Application: c.config.Application,
		Settings: settingsWithDefaults(c.config.Settings),
	}
	if command.Application == "" {
		command.Application = DefaultApplication
	}
	if _, err := c.commitOwn(command); err != nil {
		c.log.Warn("cluster not created", "err", err)
		return false
	}
	_, fresh := c.callers.of(command.ClusterID)
	c.log.Info("cluster created", "cluster", command.ClusterID, "settings", command.Settings, "after", c.now(), "nodes", fresh)
	return true
}

// noteCluster writes down what the cluster was created with, once this member
// has applied that, and stops a member whose flags say otherwise.
func (c *Coordinator) noteCluster() {
	for c.fsm.Map().ClusterID == "" {
		next := c.fsm.next()
		if c.fsm.Map().ClusterID != "" {
			break
		}
		select {
		case <-c.ctx.Done():
			return
		case <-next:
		}
	}
	m := c.fsm.Map()
	if c.memberCopy().ClusterID == m.ClusterID {
		return
	}
	err := c.updateMember(func(v *member) {
		v.ClusterID, v.Application, v.Settings = m.ClusterID, m.Application, m.Settings
	})
	if err == nil {
		err = c.agree(c.memberCopy())
	}
	if err != nil {
		c.fail(err)
	}
}

func (c *Coordinator) pause(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}

// lostFollower is told of a map that somebody has and that is none of ours. If a
// leader that has just proved it leads has not committed that map, it is of a history
// that is gone: the coordinators were restored from an old backup. They note that,
// and send no map of their own: who has the other goes on with it.
func (c *Coordinator) lostFollower(have partition.Stamp) {
	g := c.group.Load()
	if g == nil || !c.leading.Load() {
		return
	}
	if b := c.fsm.behind(); b.Since != 0 && b.Version >= have.Version || !c.proving.CompareAndSwap(false, true) {
		return
	}
	started := c.goroutine(func() {
		defer c.proving.Store(false)
		if err := c.barrier(g); err != nil {
			return
		}
		if version := c.fsm.Map().Version; c.fsm.descent(have) != state.Known {
			if _, err := c.commitOwn(state.NoteBehind{Map: have}); err == nil {
				c.log.Error("the coordinators went back to an old map: it is frozen until holdfast recover-map", "version", version, "seen", have.Version)
			}
		}
		c.pause(retrySlow)
	})
	if !started {
		c.proving.Store(false)
	}
}

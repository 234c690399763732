package coordinator

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// heartbeat takes a node's sign of life. Every coordinator gets them all, so
// that a new leader knows who lives.
func (c *Coordinator) heartbeat(from protocol.Hello, r protocol.Report) {
	c.metrics.heartbeats.Inc()
	of := liveness.Process{Node: partition.NodeID(from.Name), Store: from.Store, Start: from.Start}
	have := partition.Stamp{Version: r.MapVersion, History: r.MapHistory}
	ours := c.fsm.descent(have) == state.Known
	if !ours {
		c.lostFollower(have) // it tells all coordinators, and follows only one
	}
	c.liveness.Lock()
	c.liveness.detector.Compared(c.now(), of.Node, ours)
	before, _ := c.liveness.detector.Report(of)
	c.liveness.detector.Heartbeat(c.now(), of, r)
	c.liveness.Unlock()
	c.logCorrupt(from.Name, &before, &r)
}

// contest finds out whether a start may have the place of the one that the map
// has of its store; the reply is nil where it may. Silent is the start in the map
// that was found silent at another address.
func (c *Coordinator) contest(newcomer *partition.Node) (silent partition.Start, r *protocol.Reply) {
	behind := c.fsm.behind()
	m := behind.Running(c.fsm.Map(), newcomer)
	known, again := m.Node(newcomer.ID)
	connected := again && c.relay.connected(known)
	c.liveness.Lock()
	verdict, silent := c.liveness.detector.Contest(c.now(), m, newcomer, connected)
	c.liveness.Unlock()
	switch verdict {
	case liveness.Undecided:
		return silent, &protocol.Reply{Code: protocol.Retry, Text: fmt.Sprintf(
			"register node %s: its start %v may still run at %s; it is waited for", newcomer.ID, known.Start(), known.PeerAddr)}
	case liveness.Taken:
		return silent, &protocol.Reply{Code: protocol.Refused, Text: fmt.Sprintf(
			"register node %s: its start %v runs at %s, or a twin of it on a copy of the data directory: stop one of them", newcomer.ID, known.Start(), known.PeerAddr)}
	case liveness.Free:
	}
	return silent, nil
}

// live are the nodes that this coordinator takes to be alive.
func (c *Coordinator) live() []partition.NodeID {
	c.liveness.Lock()
	defer c.liveness.Unlock()
	return c.liveness.detector.Live(c.now(), c.fsm.Map())
}

// settled are the live nodes that may take a booting node's primaries.
func (c *Coordinator) settled(newcomer *partition.Node) []partition.NodeID {
	c.liveness.Lock()
	defer c.liveness.Unlock()
	return c.liveness.detector.Settled(c.now(), c.fsm.Map(), newcomer)
}

// suspected are the nodes of the map that are not live, in its order.
func (c *Coordinator) suspected(m *partition.Map) []partition.NodeID {
	live := make(map[partition.NodeID]bool, len(m.Nodes))
	for _, id := range c.live() {
		live[id] = true
	}
	var out []partition.NodeID
	for i := range m.Nodes {
		if !live[m.Nodes[i].ID] {
			out = append(out, m.Nodes[i].ID)
		}
	}
	return out
}

// watchNodes asks the detector, again and again, what is to be done about nodes
// that fail. Every coordinator does, so that its detector is warm; only what
// the leader's wants is done. It never waits for Raft: a tick that comes late
// makes the detector begin every period anew.
func (c *Coordinator) watchNodes() {
	ticks := time.NewTicker(c.config.Timings.Tick)
	defer ticks.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticks.C:
		}
		m := c.fsm.Map()
		c.liveness.Lock()
		commands := c.liveness.detector.Tick(c.now(), m)
		c.liveness.Unlock()
		if !c.mayChange() || c.fsm.behind().Since != 0 {
			continue // what is wanted of an old map is wanted in vain
		}
		if place := c.firstPlacement(m); place != nil {
			commands = append(commands, place)
		}
		if len(commands) == 0 {
			continue
		}
		select {
		case c.orders <- commands:
		default: // the last ones are being committed: what is still wanted comes again
		}
	}
}

// giveOrders commits what the leader's detector wants, one look's worth at a
// time.
func (c *Coordinator) giveOrders() {
	for {
		var commands []state.Command
		select {
		case <-c.ctx.Done():
			return
		case commands = <-c.orders:
		}
		for _, command := range commands {
			c.giveOrder(command)
		}
	}
}

func (c *Coordinator) giveOrder(command state.Command) {
	result, err := c.commitOwn(command)
	switch v := command.(type) {
	case state.Fail:
		if err != nil {
			c.log.Warn("failure of a node not committed", "node", v.Node, "err", err)
			return
		}
		c.metrics.failovers.Inc()
		c.log.Warn("node removed from its partitions", "node", v.Node, "incarnation", v.Incarnation, "partitions", len(v.Changes), "reason", v.Changes[0].Reason)
		c.logVerdicts(v.Changes, result)
	case state.Changes:
		if err == nil {
			c.logVerdicts(v.Changes, result)
		}
	case state.Place:
		if err != nil {
			c.log.Warn("first placement not committed", "err", err)
			return
		}
		c.log.Info("partitions placed for the first time", "partitions", len(v.Configurations))
	default:
		if err != nil {
			c.log.Warn("command not committed", "err", err)
		}
	}
}

// firstPlacement places all partitions once enough nodes are there and alive;
// nil otherwise.
func (c *Coordinator) firstPlacement(m *partition.Map) state.Command {
	if m.ClusterID == "" || m.Placed() || len(m.Nodes) < m.Settings.ExpectNodes {
		return nil
	}
	dead := make(map[partition.NodeID]bool)
	for _, id := range c.suspected(m) {
		dead[id] = true
	}
	var nodes []partition.Node
	for _, n := range m.Nodes {
		if !dead[n.ID] {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) < m.Settings.ExpectNodes {
		return nil
	}
	configurations, err := partition.Place(nodes, m.Settings, func() uint32 { return uint32(random64()) })
	if err != nil {
		c.log.Error("first placement failed", "err", err)
		return nil
	}
	return state.Place{Configurations: configurations}
}

// commitChanges has the detector judge changes that nodes ask for, and commits
// them as one entry.
func (c *Coordinator) commitChanges(changes []partition.Change) error {
	now, m := c.now(), c.fsm.Map()
	judged := make([]partition.Change, 0, len(changes))
	c.liveness.Lock()
	for i := range changes {
		// What it is too early to judge, the node asks for again.
		if v, clear := c.liveness.detector.Judge(now, m, changes[i]); clear {
			judged = append(judged, v)
		}
	}
	c.liveness.Unlock()
	if len(judged) == 0 {
		return nil
	}
	result, err := c.commitOwn(state.Changes{Changes: judged})
	if err != nil {
		return err
	}
	c.logVerdicts(judged, result)
	return nil
}

// beat is a sign of life for those who follow the map here.
func (c *Coordinator) beat(m *partition.Map) protocol.Beat {
	b := protocol.Beat{Version: m.Version, Suspected: c.suspected(m), Behind: c.fsm.behind().Since}
	if c.notReady() == nil {
		b.Leader = c.Leader()
	}
	for _, v := range c.members() {
		b.Members = append(b.Members, protocol.Member{ID: v.ID, PeerAddr: v.PeerAddr, HTTPAddr: v.HTTPAddr})
	}
	return b
}

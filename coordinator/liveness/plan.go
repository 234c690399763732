package liveness

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// Tick returns what the leader is to propose, by the newest map it has: one
// state.Fail for each suspected node that changes anything, and what else helps.
// Until a command has changed the map, the next Tick returns it again; that does
// no harm, for commands are compare-and-sets.
func (d *Detector) Tick(now time.Duration, m *partition.Map) []state.Command {
	d.begin(now)
	if now-d.ticked > d.config.Tick+d.config.Late {
		d.restart(now)
		d.start = now
	}
	d.ticked = now
	d.forgetBoots(now, m)
	health := d.survey(now, m)
	var commands []state.Command
	if mark := markOf(m, health); !d.idle.equal(mark) {
		commands = plan(m, health)
		if len(commands) == 0 {
			d.idle = mark
		}
	}
	return append(commands, d.confirm(now, m, health)...)
}

// idleMark identifies a situation in which there was nothing to do, so that
// quiet ticks need not look at all partitions.
type idleMark struct {
	of     *partition.Map
	states string
}

func markOf(m *partition.Map, health map[partition.NodeID]Health) idleMark {
	states := make([]byte, len(m.Nodes))
	for i := range m.Nodes {
		states[i] = byte(health[m.Nodes[i].ID].State)
	}
	return idleMark{of: m, states: string(states)}
}

func (i idleMark) equal(o idleMark) bool { return i.of != nil && i == o }

// planner works out what the suspected nodes' failures change.
type planner struct {
	m         *partition.Map
	health    map[partition.NodeID]Health
	primaries map[partition.NodeID]int
	fails     map[partition.NodeID]*state.Fail
	orphans   []partition.Change
}

func plan(m *partition.Map, health map[partition.NodeID]Health) []state.Command {
	p := &planner{m: m, health: health, fails: map[partition.NodeID]*state.Fail{}}
	for i := range m.Partitions {
		p.partition(&m.Partitions[i])
	}
	var commands []state.Command
	for i := range m.Nodes {
		if f := p.fails[m.Nodes[i].ID]; f != nil {
			commands = append(commands, *f)
		}
	}
	if len(p.orphans) > 0 {
		commands = append(commands, state.Changes{Changes: p.orphans})
	}
	return commands
}

// partition removes all suspected replicas of a partition in one change, but
// only where a live one leads what remains: the primary, or, where that is
// suspected or missing, the live one that leads the fewest others.
func (p *planner) partition(c *partition.Configuration) {
	failed := p.firstSuspected(c)
	if failed == "" && c.Primary != "" || len(c.Replicas) == 0 {
		return
	}
	primary := c.Primary
	if primary == "" || p.health[primary].State == Suspected {
		primary = p.fewestPrimaries(c.Replicas)
	}
	if primary == "" || p.health[primary].State != Live {
		return
	}
	change := partition.Change{Partition: c.ID, Epoch: c.Epoch, Primary: primary}
	for _, r := range c.Replicas {
		if p.health[r.Node].State != Suspected {
			change.Replicas = append(change.Replicas, r)
		}
	}
	if primary != c.Primary {
		p.primaries[c.Primary]--
		p.primaries[primary]++
	}
	if failed == "" {
		change.Reason = "the partition had no primary"
		p.orphans = append(p.orphans, change)
		return
	}
	p.add(failed, change)
}

// firstSuspected returns the node whose failure a change of the partition
// belongs to: its primary if that is suspected, else the first that is.
func (p *planner) firstSuspected(c *partition.Configuration) partition.NodeID {
	if c.Primary != "" && p.health[c.Primary].State == Suspected {
		return c.Primary
	}
	for _, r := range c.Replicas {
		if p.health[r.Node].State == Suspected {
			return r.Node
		}
	}
	return ""
}

func (p *planner) add(failed partition.NodeID, change partition.Change) {
	f := p.fails[failed]
	if f == nil {
		f = &state.Fail{Node: failed}
		if n, known := p.m.Node(failed); known {
			f.Incarnation = n.Incarnation
		}
		p.fails[failed] = f
	}
	change.Reason = fmt.Sprintf("%s is suspected: %s", failed, p.health[failed].Reason)
	f.Changes = append(f.Changes, change)
}

// fewestPrimaries returns the live replica that leads the fewest partitions of
// the whole map, the choices made so far included; among equals the first.
func (p *planner) fewestPrimaries(replicas []partition.Replica) partition.NodeID {
	if p.primaries == nil {
		p.primaries = p.m.Primaries()
	}
	best := partition.NodeID("")
	for _, r := range replicas {
		if p.health[r.Node].State == Live && (best == "" || p.primaries[r.Node] < p.primaries[best]) {
			best = r.Node
		}
	}
	return best
}

// forgetBoots drops boots that the map does not have and that fell silent.
func (d *Detector) forgetBoots(now time.Duration, m *partition.Map) {
	for key, b := range d.boots {
		if n, known := m.Node(key.node); now-b.last > keepBoots && (!known || n.Incarnation != key.incarnation) {
			delete(d.boots, key)
		}
	}
	for id := range d.nodes {
		if _, known := m.Node(id); !known {
			delete(d.nodes, id)
		}
	}
}

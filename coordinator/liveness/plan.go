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
		commands = d.planner(now, m, health).plan()
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
	prompt    func(partition.NodeID) bool // could serve at once
	corrupt   func(partition.ID, partition.NodeID) (corrupt, void bool)
	primaries map[partition.NodeID]int
	fails     map[partition.NodeID]*state.Fail
	orphans   []partition.Change
}

func (d *Detector) planner(now time.Duration, m *partition.Map, health map[partition.NodeID]Health) *planner {
	return &planner{
		m: m, health: health, fails: map[partition.NodeID]*state.Fail{},
		prompt:  func(node partition.NodeID) bool { return d.prompt(now, node) },
		corrupt: func(id partition.ID, node partition.NodeID) (corrupt, void bool) { return d.corrupt(m, id, node) },
	}
}

func (p *planner) plan() []state.Command {
	for i := range p.m.Partitions {
		p.partition(&p.m.Partitions[i])
	}
	var commands []state.Command
	for i := range p.m.Nodes {
		if f := p.fails[p.m.Nodes[i].ID]; f != nil {
			commands = append(commands, *f)
		}
	}
	if len(p.orphans) > 0 {
		commands = append(commands, state.Changes{Changes: p.orphans})
	}
	return commands
}

// partition removes all suspected replicas of a partition in one change, and
// those that leave, but only where a live one leads what remains: the primary,
// or, where that goes or is missing, the live one that leads the fewest others.
func (p *planner) partition(c *partition.Configuration) {
	goes := p.going(c)
	failed := first(c, goes)
	if failed == "" && c.Primary != "" || len(c.Replicas) == 0 {
		return
	}
	primary := c.Primary
	if primary == "" || goes[primary] {
		primary = p.successor(c, goes)
	}
	if s := p.health[primary].State; primary == "" || s != Live && s != Leaving {
		return
	}
	change := partition.Change{Partition: c.ID, Epoch: c.Epoch, Primary: primary}
	for _, r := range c.Replicas {
		if !goes[r.Node] {
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

// going returns the replicas to remove: all that are suspected, and of those that
// leave as many as min-in-sync allows. A replica that leaves still commits writes;
// without it nothing would be committed.
func (p *planner) going(c *partition.Configuration) map[partition.NodeID]bool {
	var goes map[partition.NodeID]bool
	left := len(c.Replicas)
	for _, state := range [2]State{Suspected, Leaving} {
		for _, r := range c.Replicas {
			if p.health[r.Node].State != state || state == Leaving && left-1 < max(1, p.m.Settings.MinInSync) {
				continue
			}
			if goes == nil {
				goes = map[partition.NodeID]bool{}
			}
			goes[r.Node] = true
			left--
		}
	}
	return goes
}

// first returns the node that a change of the partition belongs to: its primary
// if that goes, else the first that does.
func first(c *partition.Configuration, goes map[partition.NodeID]bool) partition.NodeID {
	if goes[c.Primary] {
		return c.Primary
	}
	for _, r := range c.Replicas {
		if goes[r.Node] {
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
	change.Reason = fmt.Sprintf("%s is %s: %s", failed, p.health[failed].State, p.health[failed].Reason)
	f.Changes = append(f.Changes, change)
}

// successor returns the replica that is to lead those that do not go: a live one,
// or, where the whole cluster ends, one that leaves and has to stay.
func (p *planner) successor(c *partition.Configuration, goes map[partition.NodeID]bool) partition.NodeID {
	if live := p.fewestPrimaries(c.ID, c.Replicas); live != "" {
		return live
	}
	for _, r := range c.Replicas {
		if p.health[r.Node].State == Leaving && !goes[r.Node] {
			return r.Node
		}
	}
	return ""
}

// fewestPrimaries returns the live replica that leads the fewest partitions of
// the whole map, the choices made so far included; among equals the first. One
// that could not serve at once, or whose copy is corrupt, comes last; one whose
// copy is void could never serve.
func (p *planner) fewestPrimaries(id partition.ID, replicas []partition.Replica) partition.NodeID {
	if p.primaries == nil {
		p.primaries = p.m.Primaries()
	}
	best, prompt := partition.NodeID(""), false
	for _, r := range replicas {
		corrupt, void := p.corrupt(id, r.Node)
		if p.health[r.Node].State != Live || void {
			continue
		}
		at := !corrupt && p.prompt(r.Node)
		if best == "" || at && !prompt || at == prompt && p.primaries[r.Node] < p.primaries[best] {
			best, prompt = r.Node, at
		}
	}
	return best
}

// forgetBoots drops boots that the map does not have and that fell silent.
func (d *Detector) forgetBoots(now time.Duration, m *partition.Map) {
	for key, b := range d.boots {
		if n, known := m.Node(key.Node); now-b.last > keepBoots && (!known || ProcessOf(n) != key) {
			delete(d.boots, key)
		}
	}
	for key, c := range d.contests {
		if now-c.latest > keepBoots {
			delete(d.contests, key)
		}
	}
	for id := range d.nodes {
		if _, known := m.Node(id); !known {
			delete(d.nodes, id)
		}
	}
}

package liveness

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// comparison is what a node's last heartbeat of this term said of its map.
type comparison struct {
	at   time.Duration
	ours bool // the coordinators know that map as one of theirs
}

// Compared notes whether the map that a node acts on, as its heartbeat says, is one
// of the coordinators' own history.
func (d *Detector) Compared(now time.Duration, node partition.NodeID, ours bool) {
	d.begin(now)
	d.compared[node] = comparison{at: now, ours: ours}
}

// AllCompared reports whether every node of the map has said since BecameLeader that
// it acts on a map of this history. One that says nothing for Config.Compare is not
// waited for. Once true, it is true until the next BecameLeader.
func (d *Detector) AllCompared(now time.Duration, m *partition.Map) bool {
	d.begin(now)
	if d.agreed {
		return true
	}
	for i := range m.Nodes {
		if c := d.compared[m.Nodes[i].ID]; !c.ours && now-max(c.at, d.elected) < d.config.Compare {
			return false
		}
	}
	d.agreed = true
	return true
}

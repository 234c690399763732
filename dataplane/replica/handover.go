package replica

import (
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// takeMove takes what the map says of the partition's move: whether its primary
// should hand over, and to whom. From then on it grants no reads, and takes back
// what it granted, so that nobody has to wait for a grant once the map changes.
// All else goes on.
func (r *replica) takeMove(m *partition.Map) {
	heir := partition.NodeID("")
	if v, moving := m.Move(r.id); moving && r.conf != nil && r.conf.Primary == r.self() {
		heir = partition.Heir(v, r.conf)
	}
	if heir != r.heir {
		r.heir = heir
		r.g.beacons.due = true
	}
}

// handOver asks for the heir to be primary, once no grant is out and the heir
// keeps up: then it needs one round, and a marker on disk, until it serves.
func (r *replica) handOver() {
	m := r.member(r.heir)
	if m == nil || !m.inSync || m.phase != following || m.match < r.committed || r.g.now < max(r.grantsEnd(), r.unknownUntil) {
		return
	}
	r.ask(r.conf.Replicas, r.heir, fmt.Sprintf("hands over to %s", r.heir), false)
}

package replica

import (
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// takeMove takes what the map says of the partition's move: whether its primary
// should hand over, and to whom, and who should leave. From then on it grants no
// reads, to whom leaves or to anybody, and takes back what it granted, so that
// nobody has to wait for a grant once the map changes. All else goes on.
func (r *replica) takeMove(m *partition.Map) {
	heir, leaver, moves := partition.NodeID(""), partition.NodeID(""), partition.NodeID("")
	comer := partition.NodeID("")
	if v, moving := m.Move(r.id); moving && r.conf != nil && r.conf.Primary == r.self() {
		heir = partition.Heir(v, r.conf)
		leaver = partition.Leaver(v, r.conf, r.g.cfg.MinInSync)
		if v.To == "" || r.conf.InSync(v.To) {
			moves = v.From
		} else {
			comer = v.To
		}
	}
	r.moves = moves
	if comer != r.comer {
		r.comer, r.starved = comer, false
		r.mark() // a learner may have waited for leave that needs none now
	}
	if heir != r.heir || leaver != r.leaver {
		r.heir, r.leaver = heir, leaver
		r.g.beacons.due = true
	}
}

// comesBack reports whether a learner may be added as far as the partition's move
// goes: not who has just been taken out for it, unless nothing commits without.
func (r *replica) comesBack(node partition.NodeID) bool {
	return node != r.moves || len(r.conf.Replicas) < r.g.cfg.MinInSync
}

// takeOut asks for the replica that moves away to be removed, once no grant to it
// is out: then no commit has to wait for one (C3).
func (r *replica) takeOut() {
	if r.g.now < max(r.grants[r.leaver].until, r.unknownUntil) {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(r.conf.Replicas), func(c partition.Replica) bool { return c.Node == r.leaver })
	r.ask(kept, r.self(), fmt.Sprintf("%s moves away", r.leaver), false)
}

// handOver asks for the heir to be primary, once no grant is out and the heir
// keeps up in this epoch: then it needs one round, and a marker on disk, until it
// serves. One that came to the next epoch without this one could not tell what
// was granted in it, and would wait for that (L6).
func (r *replica) handOver() {
	m := r.member(r.heir)
	if m == nil || !m.inSync || !m.told || m.phase != following || m.match < r.committed || r.g.now < max(r.grantsEnd(), r.unknownUntil) {
		return
	}
	r.ask(r.conf.Replicas, r.heir, fmt.Sprintf("hands over to %s", r.heir), false)
}

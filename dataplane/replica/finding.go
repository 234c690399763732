package replica

import "github.com/holdfast-io/holdfast/partition"

// FindingKind says what a group has found out about a partition.
type FindingKind uint8

const (
	// HashesEqual: all replicas that answered have the same rolling hash.
	HashesEqual FindingKind = iota + 1
	// HashesDiffer: they do not. Where too few agree, or too few would be left,
	// no replica is expelled: an operator must look.
	HashesDiffer
	// Corrupt: this node's copy does not hold what it should, for Reason. The
	// driver puts it aside and gets another. A secondary's copy is void from now
	// on; a primary goes on until another takes over.
	Corrupt
	// EntriesRefused: Sender sent entries with a gap or out of order. None was
	// written.
	EntriesRefused
)

// Finding is something that the driver is to count, to log or to act on.
type Finding struct {
	Kind      FindingKind
	Partition partition.ID
	Sequence  uint64
	Compared  int              // HashesEqual, HashesDiffer: how many hashes
	Expels    partition.NodeID // HashesDiffer: the replica that is told to go; empty: none
	Reason    string           // Corrupt
	Sender    partition.NodeID // EntriesRefused
}

func (r *replica) find(f Finding) { r.g.out.Findings = append(r.g.out.Findings, f) }

// spoiled makes this copy void, for it does not hold what it should: from now on
// it answers no read and acknowledges nothing, until a snapshot has taken its
// place. The driver hears of it, and through it the operator and the coordinators.
func (r *replica) spoiled(sequence uint64, reason string) {
	if r.void {
		return
	}
	r.void, r.corrupt, r.grantUntil = true, reason, 0
	r.publish()
	r.find(Finding{Kind: Corrupt, Partition: r.id, Sequence: sequence, Reason: reason})
}

// refuseEntries tells the driver of entries that no replica should send.
func (r *replica) refuseEntries(from Peer, m *Message) {
	r.find(Finding{Kind: EntriesRefused, Partition: r.id, Sequence: m.Previous.Sequence, Sender: from.Node})
}

package state

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// snapshotMagic and snapshotVersion begin every snapshot.
const (
	snapshotMagic   = "HFST"
	snapshotVersion = 5
)

// Snapshot returns the whole machine as bytes. Machines that applied the same
// commands return the same bytes.
func (m *Machine) Snapshot() []byte {
	c := m.Map()
	w := &writer{b: make([]byte, 0, 1024+128*len(c.Partitions))}
	w.b = append(w.b, snapshotMagic...)
	w.b = append(w.b, snapshotVersion)
	w.stamp(c.Stamp())
	w.text(c.ClusterID)
	w.text(c.Application)
	w.settings(c.Settings)
	writeList(w, c.Nodes, w.node)
	writeList(w, c.Partitions, w.configuration)
	w.rebalance(c.Rebalance)
	writeList(w, c.Moves, w.move)
	w.memory(&m.memory)
	return w.b
}

func (w *writer) memory(m *memory) {
	writeList(w, m.unconfirmed, w.replica)
	writeList(w, m.touched, w.fixed)
	writeList(w, m.overrides, func(o Override) {
		w.uint(o.Index)
		w.bool(o.Unsafe)
		w.uint(uint64(o.Partition))
		w.replica(o.Replica)
		w.uint(uint64(o.Epoch))
		w.uint(uint64(o.Lineage))
		w.configuration(o.Before)
	})
	writeList(w, m.retired, func(r retired) {
		w.replica(partition.Replica{Node: r.node, Store: r.store})
		w.start(r.start)
	})
	writeList(w, m.events, func(e Event) {
		w.uint(e.Index)
		w.text(e.Kind)
		w.text(string(e.Node))
		w.uint(uint64(e.Partitions))
		w.text(e.Reason)
	})
	writeList(w, m.removed, w.replica)
	writeList(w, m.seats, w.voter)
	w.uint(m.steered)
	writeList(w, m.unsettled, w.unsettled)
	writeList(w, m.operations, w.operation)
	w.behind(m.behind)
	w.lineage(m.lineage)
	writeList(w, m.given, w.given)
	w.uint(m.recovered)
	w.position(m.restored)
}

func (r *reader) memory() memory {
	return memory{
		unconfirmed: r.replicas(),
		touched:     readList(r, 8, r.fixed),
		overrides: readList(r, 22, func() Override {
			return Override{
				Index: r.uint(), Unsafe: r.bool(), Partition: partition.ID(r.uint32()), Replica: r.replica(),
				Epoch: partition.Epoch(r.uint()), Lineage: r.uint32(), Before: r.configuration(),
			}
		}),
		retired: readList(r, 18, func() retired {
			replaced := r.replica()
			return retired{node: replaced.Node, store: replaced.Store, start: r.start()}
		}),
		events: readList(r, 5, func() Event {
			return Event{Index: r.uint(), Kind: r.text(), Node: r.nodeID(), Partitions: r.int(), Reason: r.text()}
		}),
		removed: r.replicas(),
		seats:   readList(r, 10, r.voter),
		steered: r.uint(), unsettled: readList(r, 32, r.unsettled),
		operations: readList(r, 22, r.operation),
		behind:     r.behind(),
		lineage:    r.lineage(),
		given:      readList(r, 1, r.given),
		recovered:  r.uint(),
		restored:   r.position(),
	}
}

// Restore returns the machine that Snapshot was called on. It keeps nothing of
// b. A snapshot that is damaged, or of a version unknown here, is an error.
func Restore(b []byte) (*Machine, error) {
	if len(b) <= len(snapshotMagic) || string(b[:len(snapshotMagic)]) != snapshotMagic {
		return nil, fmt.Errorf("restore snapshot of %d bytes: %w: it does not begin with %s", len(b), ErrUnknown, snapshotMagic)
	}
	if v := b[len(snapshotMagic)]; v != snapshotVersion {
		return nil, fmt.Errorf("restore snapshot: %w: it has version %d, this program knows %d; start the version of holdfast that wrote it", ErrUnknown, v, snapshotVersion)
	}
	r := newReader(b[len(snapshotMagic)+1:])
	c := &partition.Map{
		Version: r.uint(), History: r.fixed(), ClusterID: r.text(), Application: r.text(), Settings: r.settings(),
		Nodes: readList(r, 24, r.node), Partitions: readList(r, 8, r.configuration),
		Rebalance: r.rebalance(), Moves: readList(r, 6, r.move),
	}
	m := &Machine{memory: r.memory()}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("restore snapshot: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("restore snapshot: %w", err)
	}
	if err := m.memory.validate(c); err != nil {
		return nil, fmt.Errorf("restore snapshot: %w", err)
	}
	m.current.Store(c)
	return m, nil
}

// validate reports what would make the machine misbehave.
func (m *memory) validate(c *partition.Map) error {
	if len(m.touched) != (len(c.Partitions)+63)/64 {
		return fmt.Errorf("%w: %d words of marks for %d partitions", ErrInvalid, len(m.touched), len(c.Partitions))
	}
	if err := errors.Join(m.lineage.validate(c), m.validateGiven(c)); err != nil {
		return err
	}
	if !slices.IsSortedFunc(m.behind.Reports, func(x, y Report) int { return cmp.Compare(x.Node.ID, y.Node.ID) }) {
		return fmt.Errorf("%w: reports of nodes are not sorted", ErrInvalid)
	}
	return nil
}

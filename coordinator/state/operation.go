package state

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/partition"
)

const (
	// MaxOperations is how many admin commands the machine remembers with their
	// results: the newest. An ID that was forgotten counts as a new one.
	MaxOperations = 1000
	// MaxOperationID is the length of the longest operation ID, in bytes.
	MaxOperationID = 64
	// maxOperationText bounds the texts that are remembered, in bytes.
	maxOperationText = 512
)

// Operation is what the machine remembers of an admin command.
type Operation struct {
	ID          string
	Fingerprint uint64 // of the request
	// Open says that the command takes more than one step and has not reached its
	// end. Since is then the index that gave the coordinator's place away last, as
	// Seat has it; 0: the place belongs to the directory it was founded with.
	Open  bool
	Since uint64
	// Refused is why the command was not applied; "" if it was.
	Refused string
	// What the map said when the command was done.
	Version   uint64
	Node      partition.NodeID
	Duty      partition.Duty
	Weight    uint32
	Rebalance partition.Rebalance
	Epoch     partition.Epoch // of the partition that was recovered
	Note      string          // of the leader that judged the command, for people
}

// Operation returns the admin command that has the ID, if it is remembered.
func (m *Machine) Operation(id string) (Operation, bool) {
	i := m.memory.operation(id)
	if i < 0 {
		return Operation{}, false
	}
	return m.memory.operations[i], true
}

// ValidOperationID reports an error where the ID cannot be that of an operation.
func ValidOperationID(id string) error {
	printable := func(r rune) bool { return r > ' ' && r <= '~' }
	if id == "" || len(id) > MaxOperationID || strings.ContainsFunc(id, func(r rune) bool { return !printable(r) }) {
		return fmt.Errorf("operation ID %q: %w: want 1 to %d printable ASCII characters without spaces", id, ErrInvalid, MaxOperationID)
	}
	return nil
}

// admin applies an admin command, unless its ID has a result already.
func (m *Machine) admin(index uint64, c Admin) Result {
	if m.Map().ClusterID == "" {
		return Result{Err: fmt.Errorf("apply operation %q: %w", c.ID, ErrNoCluster)}
	}
	if err := ValidOperationID(c.ID); err != nil {
		return Result{Err: err}
	}
	o, known := m.Operation(c.ID)
	switch {
	case known && o.Fingerprint != c.Fingerprint:
		return Result{Err: fmt.Errorf("operation ID %q: %w", c.ID, ErrOperationReused)}
	case known && (!o.Open || c.Open):
		return Result{Operation: &o}
	case !known:
		o = Operation{ID: c.ID, Fingerprint: c.Fingerprint, Since: c.Since}
	}
	o.Open, o.Refused = c.Open, clip(c.Refused)
	o.Node, o.Note = c.Node, clip(c.Note)
	if c.Command != nil && c.Refused == "" {
		if r := m.apply(index, c.Command); r.Err != nil {
			o.Open, o.Refused = false, clip(r.Err.Error())
		} else if _, seats := c.Command.(Seat); seats && c.Open {
			o.Since = index
		}
	}
	after := m.Map()
	o.Version, o.Rebalance = after.Version, after.Rebalance
	if n, there := after.Node(c.Node); there {
		o.Duty, o.Weight = n.Duty, n.Weight
	}
	if p, placed := after.Partition(c.Partition); placed {
		o.Epoch = p.Epoch
	}
	m.memory.remember(o)
	return Result{Operation: &o}
}

func clip(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxOperationText)], "")
}

// operation returns the place of the ID in the list, or -1.
func (m *memory) operation(id string) int {
	return slices.IndexFunc(m.operations, func(o Operation) bool { return o.ID == id })
}

// remember puts an operation in the list, or in the place that it has there, and
// drops the oldest beyond MaxOperations.
func (m *memory) remember(o Operation) {
	if i := m.operation(o.ID); i >= 0 {
		m.operations = slices.Clone(m.operations)
		m.operations[i] = o
		return
	}
	m.operations = append(slices.Clip(m.operations), o)
	m.operations = m.operations[max(0, len(m.operations)-MaxOperations):]
}

func (w *writer) operation(o Operation) {
	w.text(o.ID)
	w.fixed(o.Fingerprint)
	w.bool(o.Open)
	w.uint(o.Since)
	w.text(o.Refused)
	w.uint(o.Version)
	w.text(string(o.Node))
	w.uint(uint64(o.Duty))
	w.uint(uint64(o.Weight))
	w.rebalance(o.Rebalance)
	w.uint(uint64(o.Epoch))
	w.text(o.Note)
}

func (r *reader) operation() Operation {
	return Operation{
		ID: r.text(), Fingerprint: r.fixed(), Open: r.bool(), Since: r.uint(), Refused: r.text(), Version: r.uint(),
		Node: r.nodeID(), Duty: r.duty(), Weight: r.uint32(), Rebalance: r.rebalance(), Epoch: partition.Epoch(r.uint()), Note: r.text(),
	}
}

// admin writes the command that is inside as bytes of its own.
func (w *writer) admin(c Admin) error {
	var inner []byte
	if c.Command != nil {
		var err error
		if inner, err = encode(c.Command); err != nil {
			return err
		}
	}
	w.text(c.ID)
	w.fixed(c.Fingerprint)
	w.text(string(inner))
	w.text(c.Refused)
	w.bool(c.Open)
	w.uint(c.Since)
	w.text(string(c.Node))
	w.uint(uint64(c.Partition))
	w.text(c.Note)
	return nil
}

func (r *reader) admin() Admin {
	c := Admin{ID: r.text(), Fingerprint: r.fixed()}
	if inner := r.text(); inner != "" {
		if len(inner) > 1 && kind(inner[1]) == kindAdmin { // before it is read: depth costs nothing
			r.fail(fmt.Errorf("%w: an admin command inside another", ErrInvalid))
			return Admin{}
		}
		command, err := Decode([]byte(inner))
		if err != nil {
			r.fail(err)
			return Admin{}
		}
		c.Command = command
	}
	c.Refused, c.Open, c.Since = r.text(), r.bool(), r.uint()
	c.Node, c.Partition, c.Note = r.nodeID(), partition.ID(r.uint32()), r.text()
	return c
}

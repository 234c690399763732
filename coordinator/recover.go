package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// Recovery is the answer to an operator's recover or unsafe-recover.
type Recovery struct {
	Partition partition.ID     `json:"partition"`
	Node      partition.NodeID `json:"node"`  // whose copy is promoted
	Done      bool             `json:"done"`  // false: only a preview, nothing has changed
	Epoch     partition.Epoch  `json:"epoch"` // after it; of a preview, before it
	MayLose   string           `json:"may_lose"`
	Next      string           `json:"next,omitempty"` // what to do about a preview
	Operation string           `json:"operation_id,omitempty"`
}

// errNothingToRecover protects partitions that are well from the operator.
var errNothingToRecover = errors.New("it has a live primary: there is nothing to recover")

// errNoneLive keeps the operator from naming a primary that nobody can reach.
var errNoneLive = errors.New("nobody is live")

// errUnknownCopy keeps the operator from an emptied copy while a better one is not known.
var errUnknownCopy = errors.New("nodes that may have a better copy have not reported how much it has")

func join(list []partition.Replica) string {
	var words []string
	for _, n := range partition.Nodes(list) {
		words = append(words, string(n))
	}
	return strings.Join(words, ", ")
}

// recover carries out an operator's order, as the leader.
func (c *Coordinator) recover(ctx context.Context, m protocol.Recover) protocol.Reply {
	op := recoverOperation(&m)
	answer := func(known state.Operation) any { return recoveryOf(&op, known) }
	known, found, err := c.recall(&op)
	if err != nil || found {
		return settled(&op, known, err, answer)
	}
	if c.fsm.behind().Since != 0 {
		return failed(op.what, state.ErrMapBehind)
	}
	seen := c.fsm.Map()
	command, preview, err := c.recoverFor(seen, &m)
	preview.Operation = op.id
	switch onlyLooks := m.Unsafe && !m.Confirm; {
	case onlyLooks && err != nil:
		return protocol.Reply{Code: protocol.Invalid, Text: fmt.Sprintf("%s: %v", op.what, err)}
	case onlyLooks:
		preview.Next = "send it again with confirm: true to do it"
		return answerWith(seen.Version, preview)
	case err != nil:
		known, err = c.refuse(ctx, &op, err)
	default:
		known, err = c.settle(ctx, &op, state.Admin{Command: command, Node: preview.Node, Note: preview.MayLose})
	}
	if err == nil && known.Refused == "" {
		c.log.Warn("partition recovered by the operator", "partition", m.Partition, "node", known.Node, "unsafe", m.Unsafe, "epoch", known.Epoch,
			"operation", op.id)
	}
	return settled(&op, known, err, answer)
}

// recoverOperation names the order. What was looked at, and the node that was
// chosen then, belong to the same order.
func recoverOperation(m *protocol.Recover) operation {
	op := operation{what: "recover " + m.Partition.String(), id: m.Operation, partition: m.Partition}
	if m.Unsafe {
		op.what = "unsafe-" + op.what
	}
	op.fingerprint = fingerprintOf(protocol.Recover{Partition: m.Partition, Unsafe: m.Unsafe})
	return op
}

// recoveryOf is the answer to an order that was applied.
func recoveryOf(op *operation, known state.Operation) Recovery {
	return Recovery{Partition: op.partition, Node: known.Node, Done: true, Epoch: known.Epoch, MayLose: known.Note, Operation: known.ID}
}

// recoverFor is the command that the order comes to, with what a preview says.
func (c *Coordinator) recoverFor(seen *partition.Map, m *protocol.Recover) (state.Command, Recovery, error) {
	answer := Recovery{Partition: m.Partition, Node: m.Node, MayLose: "nothing"}
	cur, ok := seen.Partition(m.Partition)
	switch {
	case !ok && seen.Placed():
		return nil, answer, fmt.Errorf("the cluster has %d partitions, from 0 on", len(seen.Partitions))
	case !ok:
		return nil, answer, state.ErrNotPlaced
	case m.Epoch != 0 && m.Epoch != cur.Epoch:
		return nil, answer, fmt.Errorf("%w: the partition is in epoch %d, and epoch %d was looked at", state.ErrStale, cur.Epoch, m.Epoch)
	}
	answer.Epoch = cur.Epoch
	health := c.health(seen)
	if cur.Primary != "" && health[cur.Primary].State == liveness.Live && cur.Primary != m.Node {
		return nil, answer, errNothingToRecover
	}
	if m.Unsafe {
		copies := c.copies(cur, health)
		if answer.Node == "" && len(copies) > 0 {
			if unknown := unknownCopies(copies); len(unknown) > 0 {
				return nil, answer, fmt.Errorf("%w: %v; start those nodes and say it again, or choose a copy with --node", errUnknownCopy, unknown)
			}
			answer.Node = copies[0].node
		}
		i := slices.IndexFunc(copies, func(v aCopy) bool { return v.node == answer.Node })
		if i < 0 {
			return nil, answer, fmt.Errorf("%w: copies are on %v", state.ErrNoCopy, copies)
		}
		answer.MayLose = copies[i].mayLose()
		return state.UnsafeRecover{Partition: m.Partition, Node: answer.Node, Lineage: newLineage(cur.Lineage), Epoch: cur.Epoch}, answer, nil
	}
	if answer.Node == "" {
		answer.Node = chooseEligible(cur, health)
	}
	if _, eligible := partition.Find(cur.Eligible, answer.Node); len(cur.Eligible) > 0 &&
		(answer.Node == "" || eligible && health[answer.Node].State != liveness.Live) {
		return nil, answer, fmt.Errorf("%w of the eligible %s: start one of them, then say it again", errNoneLive, join(cur.Eligible))
	}
	if answer.Node == "" {
		return nil, answer, fmt.Errorf("%w: no copy is eligible; unsafe-recover promotes what is left, and says first what may be lost",
			state.ErrNotEligible)
	}
	return state.Recover{Partition: m.Partition, Node: answer.Node, Epoch: cur.Epoch}, answer, nil
}

// health is what this coordinator makes of every node of the map.
func (c *Coordinator) health(m *partition.Map) map[partition.NodeID]liveness.Health {
	c.liveness.Lock()
	defer c.liveness.Unlock()
	return c.liveness.detector.Survey(c.now(), m)
}

func chooseEligible(cur *partition.Configuration, health map[partition.NodeID]liveness.Health) partition.NodeID {
	for _, r := range cur.Eligible {
		if health[r.Node].State == liveness.Live {
			return r.Node
		}
	}
	return ""
}

// aCopy is a copy that an unsafe recovery could promote.
type aCopy struct {
	node           partition.NodeID
	live           bool
	inSync         bool
	eligible       bool
	reported       bool   // its node has, as a learner's of this epoch
	progress, want uint64 // as it reported
}

// String names it in errors.
func (a aCopy) String() string { return string(a.node) }

// copies lists what an unsafe recovery could promote, best first: live ones,
// in-sync, eligible, and then those that have come furthest.
func (c *Coordinator) copies(cur *partition.Configuration, health map[partition.NodeID]liveness.Health) []aCopy {
	var out []aCopy
	for _, r := range append(slices.Clone(cur.Replicas), cur.Learners...) {
		v := aCopy{node: r.Node, live: health[r.Node].State == liveness.Live, inSync: cur.InSync(r.Node)}
		_, v.eligible = partition.Find(cur.Eligible, r.Node)
		v.progress, v.want, v.reported = c.progress(cur, r.Node)
		out = append(out, v)
	}
	first := func(a, b bool) int {
		switch {
		case a == b:
			return 0
		case a:
			return -1
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b aCopy) int {
		for _, v := range []int{first(a.live, b.live), first(a.inSync, b.inSync), first(a.eligible, b.eligible), first(a.progress > b.progress, b.progress > a.progress)} {
			if v != 0 {
				return v
			}
		}
		return 0
	})
	return out
}

// unknownCopies returns the copies whose nodes are not live, or have not reported yet how
// much they have, where there are several and the best is neither in sync nor eligible:
// the best of the rest may be one of an emptied disk.
func unknownCopies(copies []aCopy) []aCopy {
	if best := copies[0]; len(copies) == 1 || best.inSync || best.eligible {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(copies), func(v aCopy) bool { return v.live && v.reported })
}

// progress is how much of the partition its node said that its copy has, in this epoch.
func (c *Coordinator) progress(cur *partition.Configuration, node partition.NodeID) (have, want uint64, reported bool) {
	n, ok := c.fsm.Map().Node(node)
	if !ok {
		return 0, 0, false
	}
	c.liveness.Lock()
	defer c.liveness.Unlock()
	report, _ := c.liveness.detector.Report(liveness.ProcessOf(n))
	for _, l := range report.Learners {
		if l.Partition == cur.ID && l.Epoch == cur.Epoch {
			return l.Have, l.Want, true
		}
	}
	return 0, 0, false
}

// mayLose says in words what promoting the copy may lose.
func (a aCopy) mayLose() string {
	text := "every write acknowledged since this copy was last in sync"
	switch {
	case a.inSync:
		text = "nothing that was acknowledged: the copy is in sync"
	case a.eligible:
		text = "nothing that was acknowledged: the copy is eligible, and recover would do"
	case a.want > a.progress:
		text += fmt.Sprintf(" (it has %d of %d log entries that it knew of)", a.progress, a.want)
	}
	if !a.live {
		text += fmt.Sprintf("; and node %s is not live: the partition waits for it", a.node)
	}
	return text + ". All other copies start again from this one"
}

func newLineage(old uint32) uint32 {
	for {
		if v := uint32(random64()); v != 0 && v != old {
			return v
		}
	}
}

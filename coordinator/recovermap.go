package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// MapRecovery says whether the coordinators went back to an old map, and what
// recover-map makes of that, or has made.
type MapRecovery struct {
	Behind bool `json:"behind"` // the map is frozen until recover-map
	Done   bool `json:"done"`   // false: only a preview, nothing has changed
	// Judged names the reports that a preview was judged from. Confirm it with
	// this number.
	Judged   uint64             `json:"judged,omitempty"`
	Version  uint64             `json:"version"`  // of the map; of a preview, before it
	Reported []partition.NodeID `json:"reported"` // nodes that have said what they have
	Missing  []partition.NodeID `json:"missing"`  // nodes that must report first, or be named lost
	// Unvouched have the only copies of some partition and ran at another address
	// before: accept-start vouches for them.
	Unvouched []partition.NodeID `json:"unvouched"`
	Waiting   []partition.NodeID `json:"waiting"` // nodes whose start the map lacks: they serve nothing
	Lost      []partition.NodeID `json:"lost"`    // nodes named lost
	// Frozen are the partitions of which nodes have adopted what the map lacks.
	Frozen     []partition.ID         `json:"frozen"`
	Partitions []MapRecoveryPartition `json:"partitions"` // whose members change, or that may lose something
	Problem    string                 `json:"problem,omitempty"`
	Operation  string                 `json:"operation_id,omitempty"`
}

// MapRecoveryPartition is what becomes of one partition.
type MapRecoveryPartition struct {
	ID       partition.ID       `json:"id"`
	Epoch    partition.Epoch    `json:"epoch"`   // of the map
	Adopted  partition.Epoch    `json:"adopted"` // the one that it goes on from
	Primary  partition.NodeID   `json:"primary"` // after it, as the rest
	Replicas []partition.NodeID `json:"replicas"`
	Learners []partition.NodeID `json:"learners"`
	Eligible []partition.NodeID `json:"eligible"`
	MayLose  string             `json:"may_lose,omitempty"`
}

// judgeRecovery says what recover-map would do with these nodes named lost.
func (c *Coordinator) judgeRecovery(lost []partition.NodeID) MapRecovery {
	m, behind := c.fsm.Map(), c.fsm.behind()
	out := MapRecovery{
		Behind: behind.Since != 0, Version: m.Version, Reported: []partition.NodeID{}, Missing: []partition.NodeID{}, Unvouched: []partition.NodeID{},
		Waiting: []partition.NodeID{}, Lost: append([]partition.NodeID{}, lost...), Frozen: []partition.ID{}, Partitions: []MapRecoveryPartition{},
	}
	if !out.Behind {
		return out
	}
	for i := range behind.Reports {
		n := &behind.Reports[i].Node
		out.Reported = append(out.Reported, n.ID)
		if known, ok := m.Node(n.ID); !ok || known.Store != n.Store || known.Start() != n.Start() {
			out.Waiting = append(out.Waiting, n.ID)
		}
	}
	plan, err := c.fsm.planRecovery(lost)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Judged, out.Missing = plan.Judged, plan.Missing
	out.Unvouched = append(out.Unvouched, plan.Unvouched...)
	for i := range plan.Partitions {
		p := &plan.Partitions[i]
		behind := !p.Adopted.Equal(&p.Before)
		if behind {
			out.Frozen = append(out.Frozen, p.After.ID)
		}
		if behind || p.MayLose != "" || !slices.Equal(p.Before.Replicas, p.After.Replicas) {
			out.Partitions = append(out.Partitions, MapRecoveryPartition{
				ID: p.After.ID, Epoch: p.Before.Epoch, Adopted: p.Adopted.Epoch, Primary: p.After.Primary,
				Replicas: partition.Nodes(p.After.Replicas), Learners: partition.Nodes(p.After.Learners),
				Eligible: partition.Nodes(p.After.Eligible), MayLose: p.MayLose,
			})
		}
	}
	return out
}

// recoverMap carries out an operator's order, as the leader.
func (c *Coordinator) recoverMap(ctx context.Context, m protocol.RecoverMap) protocol.Reply {
	op := operation{what: "recover-map", id: m.Operation, fingerprint: fingerprintOf(protocol.RecoverMap{Lost: m.Lost})}
	known, found, err := c.recall(&op)
	done := c.judgeRecovery(m.Lost)
	answer := func(known state.Operation) any {
		done.Done, done.Behind, done.Version, done.Operation = true, false, known.Version, known.ID
		return done
	}
	if err != nil || found {
		return settled(&op, known, err, answer)
	}
	preview := done
	preview.Operation = op.id
	command, err := c.recoverMapFor(&m, &preview)
	switch {
	case !m.Confirm && err != nil && !errors.Is(err, state.ErrNotReported) && !errors.Is(err, state.ErrOnlyCopy):
		return protocol.Reply{Code: protocol.Invalid, Text: fmt.Sprintf("%s: %v", op.what, err)}
	case !m.Confirm:
		return answerWith(preview.Version, preview)
	case err != nil:
		known, err = c.refuse(ctx, &op, err)
	default:
		known, err = c.settle(ctx, &op, state.Admin{Command: command})
	}
	if err == nil && known.Refused == "" {
		c.log.Warn("map recovered by the operator", "version", known.Version, "partitions", len(preview.Partitions), "lost", preview.Lost, "operation", op.id)
	}
	return settled(&op, known, err, answer)
}

// recoverMapFor is the command that the order comes to.
func (c *Coordinator) recoverMapFor(m *protocol.RecoverMap, preview *MapRecovery) (state.Command, error) {
	switch unknown := c.unheardOf(m.Lost); {
	case !preview.Behind:
		return nil, state.ErrNotBehind
	case preview.Problem != "":
		return nil, errors.New(preview.Problem)
	case len(unknown) > 0:
		return nil, fmt.Errorf("%w: --lost names %s", state.ErrUnknownNode, words(unknown))
	case m.Judged != 0 && m.Judged != preview.Judged:
		return nil, fmt.Errorf("%w: another report has come; look at it with --dry-run, then say it again", state.ErrStale)
	case len(preview.Missing) > 0:
		return nil, fmt.Errorf("%w: %s; start them, or name each with --lost if its disk is gone for good", state.ErrNotReported, words(preview.Missing))
	case len(preview.Unvouched) > 0:
		return nil, fmt.Errorf("%w: %s; if the process there is stopped for good and this is its directory and no copy of it: holdfast accept-start; otherwise start the node at its known address, or name it with --lost",
			state.ErrOnlyCopy, words(preview.Unvouched))
	}
	return state.RecoverMap{Judged: preview.Judged, Lost: m.Lost}, nil
}

// unheardOf are nodes that neither the map nor a report names.
func (c *Coordinator) unheardOf(lost []partition.NodeID) []partition.NodeID {
	all := c.judgeRecovery(nil)
	if all.Problem != "" {
		return nil // a backup from before the placement: nothing names the nodes that had copies
	}
	return slices.DeleteFunc(slices.Clone(lost), func(id partition.NodeID) bool {
		_, known := c.fsm.Map().Node(id)
		return known || slices.Contains(all.Reported, id) || slices.Contains(all.Missing, id)
	})
}

func words(ids []partition.NodeID) string {
	var out []string
	for _, id := range ids {
		out = append(out, string(id))
	}
	return strings.Join(out, ", ")
}

// getRecoverMap says whether the map is behind, as far as this coordinator has
// applied it.
func (c *Coordinator) getRecoverMap(w http.ResponseWriter, _ *http.Request) {
	answer(w, c.judgeRecovery(nil))
}

// postRecoverMap has the leader recover the map, or preview that.
func (c *Coordinator) postRecoverMap(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Judged  uint64             `json:"judged"`
		Lost    []partition.NodeID `json:"lost"`
		Confirm bool               `json:"confirm"`
	}
	if r.ContentLength != 0 {
		if err := decodeBody(w, r, &order); err != nil {
			problem(w, http.StatusBadRequest, "bad-request", err.Error())
			return
		}
	}
	c.adminCommand(w, r, func(operation string) protocol.Message {
		return protocol.RecoverMap{Operation: operation, Judged: order.Judged, Lost: order.Lost, Confirm: order.Confirm}
	})
}

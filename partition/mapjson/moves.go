package mapjson

import "github.com/holdfast-io/holdfast/partition"

// Plan is the answer to /v1/plan: what would be moved, in that order.
type Plan struct {
	Version uint64           `json:"version"`
	Moves   []partition.Move `json:"moves"`
	// Underway is how many moves are being made; the plan is what follows them.
	Underway int  `json:"underway"`
	Paused   bool `json:"paused"`
}

// Progress is how far a learner is, as its node last said: bytes of the partition's
// content while that is copied, and then entries of the log that it has on disk,
// of those that it knows of.
type Progress struct {
	Bytes    int64  `json:"bytes"`
	AllBytes int64  `json:"all_bytes"` // roughly; 0 while nothing is copied
	Have     uint64 `json:"have"`
	Want     uint64 `json:"want"`
}

// Move is a move under way.
type Move struct {
	partition.Move
	// Step is what it is at: "copy", "hand over", "end".
	Step     string   `json:"step"`
	Progress Progress `json:"progress"`
}

// Moves is the answer to /v1/moves.
type Moves struct {
	Version   uint64              `json:"version"`
	Rebalance partition.Rebalance `json:"rebalance"`
	Moves     []Move              `json:"moves"`
}

// The steps of a move.
const (
	StepCopy     = "copy"
	StepHandOver = "hand over"
	StepEnd      = "end"
)

// PlanOf describes a plan.
func PlanOf(m *partition.Map, moves []partition.Move) Plan {
	if moves == nil {
		moves = []partition.Move{}
	}
	return Plan{Version: m.Version, Moves: moves, Underway: len(m.Moves), Paused: m.Rebalance.Paused}
}

// MovesOf describes the moves under way; learned tells how far a learner is.
func MovesOf(m *partition.Map, learned func(partition.ID, partition.NodeID) Progress) Moves {
	out := Moves{Version: m.Version, Rebalance: m.Rebalance, Moves: make([]Move, len(m.Moves))}
	for i := range m.Moves {
		v := Move{Move: m.Moves[i], Step: StepEnd}
		if c, placed := m.Partition(v.Partition); placed {
			switch {
			case v.To != "" && !c.InSync(v.To):
				v.Step, v.Progress = StepCopy, learned(v.Partition, v.To)
			case partition.Heir(&m.Moves[i], c) != "":
				v.Step = StepHandOver
			}
		}
		out.Moves[i] = v
	}
	return out
}

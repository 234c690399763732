package coordinator

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// getPlan shows what would be moved, and why, without doing it.
func (c *Coordinator) getPlan(w http.ResponseWriter, _ *http.Request) {
	m := c.fsm.Map()
	health := c.health(m)
	live := func(id partition.NodeID) bool { return health[id].State == liveness.Live }
	answer(w, mapjson.PlanOf(m, partition.Plan(m, partition.PlanOptions{Live: live})))
}

// getMoves shows the moves under way, and how far they are.
func (c *Coordinator) getMoves(w http.ResponseWriter, _ *http.Request) {
	answer(w, mapjson.MovesOf(c.fsm.Map(), c.learned))
}

// learned is how far a learner's node says that it is.
func (c *Coordinator) learned(id partition.ID, node partition.NodeID) mapjson.Progress {
	n, known := c.fsm.Map().Node(node)
	if !known {
		return mapjson.Progress{}
	}
	c.liveness.Lock()
	defer c.liveness.Unlock()
	report, _ := c.liveness.detector.Report(liveness.ProcessOf(n))
	for _, l := range report.Learners {
		if l.Partition == id {
			return mapjson.Progress{Have: l.Have, Want: l.Want, Bytes: l.Bytes, AllBytes: l.AllBytes}
		}
	}
	return mapjson.Progress{}
}

// postOrder has the leader carry out an order about a node.
func (c *Coordinator) postOrder(do protocol.Do) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Lost    bool   `json:"lost"`
			Confirm bool   `json:"confirm"`
			Weight  uint32 `json:"weight"`
			// Incarnation is that of the preview of a node that is lost.
			Incarnation uint64 `json:"incarnation"`
			// Store is the directory that accept-start chooses.
			Store partition.StoreID `json:"store_id"`
		}
		if r.ContentLength != 0 {
			if err := decodeBody(w, r, &body); err != nil {
				problem(w, http.StatusBadRequest, "bad-request", err.Error())
				return
			}
		}
		c.adminCommand(w, r, func(operation string) protocol.Message {
			return protocol.Order{
				Operation: operation, Do: do, Node: partition.NodeID(chi.URLParam(r, "id")), Lost: body.Lost, Confirm: body.Confirm, Weight: body.Weight,
				Incarnation: body.Incarnation, Store: body.Store,
			}
		})
	}
}

// postRebalance changes how moves are made.
func (c *Coordinator) postRebalance(w http.ResponseWriter, r *http.Request) {
	var change partition.RebalanceChange
	if err := decodeBody(w, r, &change); err != nil {
		problem(w, http.StatusBadRequest, "bad-request", err.Error())
		return
	}
	c.adminCommand(w, r, func(operation string) protocol.Message {
		return protocol.Order{Operation: operation, Do: protocol.Rebalance, Rebalance: change}
	})
}

package coordinator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

const (
	// maxBody bounds what an operator's request may carry.
	maxBody = 64 << 10
	// maxKey is the longest key, in bytes, as at the data nodes.
	maxKey = 1024
)

func (c *Coordinator) getPartitions(w http.ResponseWriter, _ *http.Request) {
	answer(w, mapjson.PartitionsOf(c.fsm.Map()))
}

func (c *Coordinator) getPartition(w http.ResponseWriter, r *http.Request) {
	id, err := partition.ParseID(chi.URLParam(r, "id"))
	if err != nil {
		problem(w, http.StatusBadRequest, "bad-partition", err.Error())
		return
	}
	m := c.fsm.Map()
	p, ok := m.Partition(id)
	switch {
	case !m.Placed():
		problem(w, http.StatusServiceUnavailable, "unavailable", waitsForNodes(m))
	case !ok:
		problem(w, http.StatusNotFound, "no-such-partition", fmt.Sprintf("there are %d partitions, from 0 on", len(m.Partitions)))
	default:
		answer(w, mapjson.PartitionOf(p))
	}
}

func (c *Coordinator) getNodes(w http.ResponseWriter, _ *http.Request) {
	m := c.fsm.Map()
	health := c.health(m)
	nodes := mapjson.NodesOf(m, func(id partition.NodeID) string {
		if h := health[id]; h.State != liveness.Live {
			return h.State.String() + ": " + h.Reason
		}
		return liveness.Live.String()
	})
	for i := range nodes.Nodes {
		nodes.Nodes[i].CorruptReplicas = c.corrupt(&m.Nodes[i])
	}
	answer(w, nodes)
}

func (c *Coordinator) getCluster(w http.ResponseWriter, _ *http.Request) {
	cluster := mapjson.ClusterOf(c.fsm.Map(), c.Leader(), c.members())
	cluster.Strangers = c.strangersJSON()
	if err := c.barred(); err != nil {
		cluster.Barred = err.Error()
	}
	answer(w, cluster)
}

// members are all coordinators, sorted by ID, as this one sees them.
func (c *Coordinator) members() []mapjson.Coordinator {
	leader := c.Leader()
	var out []mapjson.Coordinator
	for _, id := range c.memberIDs {
		v := mapjson.Coordinator{ID: id, PeerAddr: c.config.InitialCluster[id], State: "follower"}
		if p, other := c.peers[id]; !other {
			v.HTTPAddr = c.advertisedHTTP()
		} else if h, heard := p.link.Identity().(protocol.Hello); heard {
			v.HTTPAddr = h.HTTPAddr
		} else {
			v.State = "unreachable"
		}
		switch {
		case id == leader:
			v.State = "leader"
		case c.vacant(id):
			v.State = "vacant"
		}
		out = append(out, v)
	}
	return out
}

func (c *Coordinator) getLocation(w http.ResponseWriter, r *http.Request) {
	key, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/v1/locate/"))
	if err != nil || key == "" || len(key) > maxKey {
		problem(w, http.StatusBadRequest, "bad-key", fmt.Sprintf("the key is what follows /v1/locate/, percent-encoded, from 1 to %d bytes", maxKey))
		return
	}
	m := c.fsm.Map()
	location, placed := mapjson.Locate(m, []byte(key))
	if !placed {
		problem(w, http.StatusServiceUnavailable, "unavailable", waitsForNodes(m))
		return
	}
	answer(w, location)
}

// waitsForNodes says why nothing is placed.
func waitsForNodes(m *partition.Map) string {
	if m.ClusterID == "" {
		return "the cluster is not created yet"
	}
	return fmt.Sprintf("the first placement waits for %d nodes, has %d", m.Settings.ExpectNodes, len(m.Nodes))
}

// getOverrides shows the operators' decisions that the map remembers for ever, and
// the starts that wait for the operator.
func (c *Coordinator) getOverrides(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"overrides": c.fsm.overrides(), "unsettled_starts": c.fsm.unsettled()})
}

func (c *Coordinator) getReady(w http.ResponseWriter, _ *http.Request) {
	if err := c.notReady(); err != nil {
		problem(w, http.StatusServiceUnavailable, "not-ready", err.Error())
		return
	}
	answer(w, map[string]string{"status": "ready"})
}

// postRecover has the leader recover a partition.
func (c *Coordinator) postRecover(unsafe bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var order struct {
			Partition *partition.ID    `json:"partition"`
			Node      partition.NodeID `json:"node"`
			Confirm   bool             `json:"confirm"`
			Epoch     partition.Epoch  `json:"epoch"` // of the preview
		}
		if err := decodeBody(w, r, &order); err != nil {
			problem(w, http.StatusBadRequest, "bad-request", err.Error())
			return
		}
		if order.Partition == nil {
			problem(w, http.StatusBadRequest, "bad-request", `the body must name a partition: {"partition": 5}`)
			return
		}
		c.adminCommand(w, r, func(operation string) protocol.Message {
			return protocol.Recover{
				Operation: operation, Partition: *order.Partition, Node: order.Node, Unsafe: unsafe, Confirm: order.Confirm, Epoch: order.Epoch,
			}
		})
	}
}

// decodeBody reads one JSON object, and nothing that it does not know.
func decodeBody(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read the body: something follows the JSON object")
	}
	return nil
}

// answer gives a value as JSON.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// problem gives an error as RFC 9457 has it, with a code that stays the same.
func problem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "code": code, "detail": detail,
	})
}

package client

import (
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// proposeWait is how long a request with changes holds back the next one: what
// is asked for meanwhile goes out together.
const proposeWait = 250 * time.Millisecond

// proposals are the changes that wait to be sent, the newest of each partition.
type proposals struct {
	wake chan struct{}
	mu   struct {
		sync.Mutex
		waiting map[partition.ID]partition.Change
	}
}

func (p *proposals) init() {
	p.wake = make(chan struct{}, 1)
	p.mu.waiting = make(map[partition.ID]partition.Change)
}

func (p *proposals) take() []partition.Change {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []partition.Change
	for _, change := range p.mu.waiting {
		out = append(out, change)
	}
	clear(p.mu.waiting)
	return out
}

// Propose asks the coordinators for a change, in the background. It is best
// effort: the caller repeats it until a map shows a higher epoch. A refusal
// shows as a newer map. The coordinators take this node for the Proposer, whatever
// the change says; only a partition's primary may add a learner to its replicas.
func (c *Client) Propose(change partition.Change) {
	if change.Proposer == "" {
		change.Proposer = c.config.NodeID
	}
	c.proposing.mu.Lock()
	c.proposing.mu.waiting[change.Partition] = change
	c.proposing.mu.Unlock()
	select {
	case c.proposing.wake <- struct{}{}:
	default:
	}
}

// sendProposals sends what waits, everything together. What no coordinator can
// be told of is dropped: it will be asked for again. One that is fenced sends nothing.
func (c *Client) sendProposals() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.proposing.wake:
		}
		changes := c.proposing.take()
		l := c.best()
		if l == nil || len(changes) == 0 || c.fenced.Load() != nil {
			continue
		}
		answered := make(chan struct{})
		request := protocol.Timed{Timeout: requestTimeout, Request: protocol.Encode(protocol.Propose{Changes: changes})}
		l.link.Call(protocol.Encode(request), requestTimeout, func(raw []byte, err error) {
			defer close(answered)
			reply := protocol.Reply{Code: protocol.OK}
			if err == nil {
				reply, err = decodeReply(raw)
			}
			if err != nil || reply.Code != protocol.OK {
				c.log.Debug("changes not proposed", "partitions", len(changes), "reason", reply.Text, "err", err)
			}
		})
		select {
		case <-answered:
		case <-time.After(proposeWait):
		case <-c.ctx.Done():
			return
		}
	}
}

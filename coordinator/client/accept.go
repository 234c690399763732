package client

import (
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-io/holdfast/partition"
)

var (
	// ErrStaleEpoch says that an epoch is over: a later one is known here.
	ErrStaleEpoch = errors.New("a later epoch has begun")
	// ErrNotReplica says that the map, as far as it is known here, does not name this
	// start as a replica or a learner of the partition.
	ErrNotReplica = errors.New("this node has no copy of the partition")
)

// fences are the highest epochs that this start has accepted, by partition. They need
// not outlast it: the map that names the next start has higher ones.
type fences struct {
	mu struct {
		sync.Mutex
		epochs map[partition.ID]partition.Epoch
	}
}

// Accept reports whether this node may store what a primary sent in an epoch; nil if it
// may. Lower epochs than the newest known are refused with ErrStaleEpoch, higher ones are
// remembered. A receiver calls it, for writes, copies and take-overs, while it holds the
// lock that it stores them under: so nothing of an epoch that is over is stored after a
// later primary has looked at what is there. The primary calls it too, for what it stores
// itself.
func (c *Client) Accept(p *Partition, epoch partition.Epoch) error {
	if p == nil {
		return fmt.Errorf("accept: %w", ErrNotPlaced)
	}
	m := c.Map() // before the look at fenced, which is set before the map is
	if err := c.Fenced(); err != nil {
		return fmt.Errorf("accept for %s: %w", p.ID, err)
	}
	cur, placed := m.Partition(p.Number)
	if !placed {
		return fmt.Errorf("accept for %s: %w", p.ID, ErrNotPlaced)
	}
	c.fences.mu.Lock()
	defer c.fences.mu.Unlock()
	if known := max(cur.Epoch, c.fences.mu.epochs[p.Number]); epoch < known {
		return fmt.Errorf("accept for %s at epoch %d: %w: %d", p.ID, epoch, ErrStaleEpoch, known)
	}
	if !c.named(m) || !cur.InSync(c.config.NodeID) && !cur.IsLearner(c.config.NodeID) {
		return fmt.Errorf("accept for %s at epoch %d: %w", p.ID, epoch, ErrNotReplica)
	}
	if c.fences.mu.epochs == nil {
		c.fences.mu.epochs = make(map[partition.ID]partition.Epoch)
	}
	c.fences.mu.epochs[p.Number] = epoch
	return nil
}

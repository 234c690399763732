package dataplane

import (
	"cmp"
	"slices"
	"sync"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

// damagedCopies are those whose file does not hold what was written, until another
// copy is in their place. What replicas find out about their own copies is in the
// executors' summaries.
type damagedCopies struct {
	mu struct {
		sync.Mutex
		copies map[partition.ID]struct{}
	}
}

func (d *damagedCopies) add(id partition.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.copies == nil {
		d.mu.copies = map[partition.ID]struct{}{}
	}
	d.mu.copies[id] = struct{}{}
}

func (d *damagedCopies) replaced(id partition.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.mu.copies, id)
}

// corruptCopies are the copies here that do not hold what they should, sorted by
// partition.
func (n *Node) corruptCopies() []client.Corrupt {
	var found []client.Corrupt
	for _, e := range n.executors {
		found = append(found, e.summary.Load().corrupt...)
	}
	n.damage.mu.Lock()
	for id := range n.damage.mu.copies {
		if !slices.ContainsFunc(found, func(c client.Corrupt) bool { return c.Partition == id }) {
			found = append(found, client.Corrupt{Partition: id})
		}
	}
	n.damage.mu.Unlock()
	slices.SortFunc(found, func(a, b client.Corrupt) int { return cmp.Compare(a.Partition, b.Partition) })
	return found
}

// Package protocol has the messages between coordinators and those who talk to
// them: nodes, followers of the map, and each other. Client and coordinator
// encode and decode with it; it sends nothing itself. DESIGN.md has the format.
package protocol

import (
	"time"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/partition"
)

// Report is what a heartbeat says of its node.
type Report = liveness.Report

// Copy is a partition's copy on a node's disk, as a registration reports it.
type Copy struct {
	Partition partition.ID
	Epoch     partition.Epoch // highest adopted
	Lineage   uint32
	// Configuration is that of Epoch, as the copy's node adopted it; nil where
	// the copy is damaged, or its program keeps none.
	Configuration *partition.Configuration
}

func encodeReport(e *encoder, r *Report) {
	e.uint(r.MapVersion)
	e.fixed(r.MapHistory)
	e.int(int64(r.OldestFsync))
	e.int(int64(r.LogQueue))
	encodeList(e, r.NotServing, func(e *encoder, n *liveness.NotServing) {
		e.uint(uint64(n.Partition))
		e.uint(uint64(n.Epoch))
		e.int(int64(n.For))
	})
	encodeList(e, r.Learners, func(e *encoder, l *liveness.Learner) {
		e.uint(uint64(l.Partition))
		e.uint(uint64(l.Epoch))
		e.uint(l.Have)
		e.uint(l.Want)
		e.int(l.Bytes)
		e.int(l.AllBytes)
	})
	encodeList(e, r.Corrupt, func(e *encoder, c *liveness.Corrupt) {
		e.uint(uint64(c.Partition))
		e.bool(c.Void)
	})
	e.bool(r.Leaving)
	e.uint(r.Load.Operations)
	e.uint(r.Load.Bytes)
	e.uint(r.Load.Free)
}

func decodeReport(d *decoder) Report {
	return Report{
		MapVersion: d.uint(), MapHistory: d.fixed(), OldestFsync: time.Duration(d.int()), LogQueue: time.Duration(d.int()),
		NotServing: decodeList(d, 3, func(d *decoder) liveness.NotServing {
			return liveness.NotServing{
				Partition: partition.ID(d.uint32()), Epoch: partition.Epoch(d.uint()), For: time.Duration(d.int()),
			}
		}),
		Learners: decodeList(d, 6, func(d *decoder) liveness.Learner {
			return liveness.Learner{
				Partition: partition.ID(d.uint32()), Epoch: partition.Epoch(d.uint()), Have: d.uint(), Want: d.uint(),
				Bytes: d.int(), AllBytes: d.int(),
			}
		}),
		Corrupt: decodeList(d, 2, func(d *decoder) liveness.Corrupt {
			return liveness.Corrupt{Partition: partition.ID(d.uint32()), Void: d.bool()}
		}),
		Leaving: d.bool(),
		Load:    liveness.Load{Operations: d.uint(), Bytes: d.uint(), Free: d.uint()},
	}
}

package dataplane

import (
	"slices"

	"github.com/holdfast-io/holdfast/coordinator/client"
)

// report is what the node's next heartbeat says. The coordinators' client asks
// for it, from when it joins: before the executors run, there is little to say.
func (n *Node) report() client.Report {
	r := client.Report{OldestFsync: n.storage.OldestPending(), LogQueue: n.storage.LogQueue()}
	if !n.ready.Load() {
		return r
	}
	acted := n.actedOn()
	r.MapVersion, r.MapHistory, r.Leaving = acted.Version, acted.History, n.released.Load()
	r.Corrupt = n.corruptCopies()
	t := now()
	for _, e := range n.executors {
		s := e.summary.Load()
		r.Load.Operations += e.answered.Load()
		at := len(r.NotServing)
		r.NotServing = slices.Grow(r.NotServing, len(s.idle))[:at+len(s.idle)]
		for i, of := range s.idle {
			to := &r.NotServing[at+i]
			to.Partition, to.Epoch, to.For = of.partition, of.epoch, t.Sub(of.since)
		}
		at = len(r.Learners)
		r.Learners = slices.Grow(r.Learners, len(s.learning))[:at+len(s.learning)]
		for i, of := range s.learning {
			to := &r.Learners[at+i]
			to.Partition, to.Epoch, to.Have, to.Want = of.partition, of.epoch, of.have, of.want
			to.Bytes, to.AllBytes = n.receiving.progress(of.partition)
		}
	}
	return r
}

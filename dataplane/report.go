package dataplane

import "github.com/holdfast-io/holdfast/coordinator/client"

// report is what the node's next heartbeat says. The coordinators' client asks
// for it, from when it joins: before the executors run, there is little to say.
func (n *Node) report() client.Report {
	r := client.Report{OldestFsync: n.storage.OldestPending()}
	if !n.ready.Load() {
		return r
	}
	r.MapVersion = n.actedOn()
	return r
}

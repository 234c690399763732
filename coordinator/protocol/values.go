package protocol

import (
	"maps"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

func encodeReplica(e *encoder, r *partition.Replica) { e.node(r.Node); e.store(r.Store) }

func decodeReplica(d *decoder) partition.Replica {
	return partition.Replica{Node: d.node(), Store: d.store()}
}

func encodeReplicas(e *encoder, list []partition.Replica) { encodeList(e, list, encodeReplica) }

func decodeReplicas(d *decoder) []partition.Replica { return decodeList(d, 9, decodeReplica) }

func encodeConfiguration(e *encoder, c *partition.Configuration) {
	e.uint(uint64(c.ID))
	e.uint(uint64(c.Epoch))
	e.uint(uint64(c.Lineage))
	e.node(c.Primary)
	encodeReplicas(e, c.Replicas)
	encodeReplicas(e, c.Learners)
	encodeReplicas(e, c.Eligible)
	encodeReplicas(e, c.Unavailable)
}

func decodeConfiguration(d *decoder) partition.Configuration {
	return partition.Configuration{
		ID: partition.ID(d.uint32()), Epoch: partition.Epoch(d.uint()), Lineage: d.uint32(), Primary: d.node(),
		Replicas: decodeReplicas(d), Learners: decodeReplicas(d),
		Eligible: decodeReplicas(d), Unavailable: decodeReplicas(d),
	}
}

func encodeStart(e *encoder, s partition.Start) { e.uint(s.Incarnation); e.fixed(uint64(s.ID)) }

func decodeStart(d *decoder) partition.Start {
	return partition.Start{Incarnation: d.uint(), ID: partition.StartID(d.fixed())}
}

func encodeNode(e *encoder, n *partition.Node) {
	e.node(n.ID)
	e.store(n.Store)
	encodeStart(e, n.Start())
	e.string(n.Zone)
	e.string(n.HTTPAddr)
	e.string(n.PeerAddr)
	e.uint(uint64(n.Weight))
	e.uint(uint64(n.Duty))
	names := slices.Sorted(maps.Keys(n.Services))
	e.uint(uint64(len(names)))
	for _, name := range names {
		e.string(name)
		e.string(n.Services[name])
	}
}

func decodeNode(d *decoder) partition.Node {
	id, store, start := d.node(), d.store(), decodeStart(d)
	n := partition.Node{
		ID: id, Store: store, Incarnation: start.Incarnation, StartID: start.ID, Zone: d.string(),
		HTTPAddr: d.string(), PeerAddr: d.string(), Weight: d.uint32(), Duty: decodeDuty(d),
	}
	type service struct{ name, addr string }
	for _, s := range decodeList(d, 2, func(d *decoder) service { return service{d.string(), d.string()} }) {
		if n.Services == nil {
			n.Services = make(map[string]string)
		}
		n.Services[s.name] = s.addr
	}
	return n
}

func decodeDuty(d *decoder) partition.Duty {
	v := partition.Duty(d.byte())
	if d.err == nil && !v.Valid() {
		d.fail(v.String())
	}
	return v
}

func encodeMove(e *encoder, v *partition.Move) {
	e.uint(uint64(v.Partition))
	e.node(v.From)
	e.node(v.To)
	e.node(v.Primary)
	e.string(v.Reason)
	e.uint(v.Since)
}

func decodeMove(d *decoder) partition.Move {
	return partition.Move{
		Partition: partition.ID(d.uint32()), From: d.node(), To: d.node(), Primary: d.node(), Reason: d.string(), Since: d.uint(),
	}
}

func encodeRebalance(e *encoder, r *partition.Rebalance) {
	e.bool(r.Paused)
	e.int(int64(r.AtOnce))
	e.int(int64(r.AtOnceEach))
	e.int(r.Throttle)
}

func decodeRebalance(d *decoder) partition.Rebalance {
	return partition.Rebalance{Paused: d.bool(), AtOnce: int(d.int()), AtOnceEach: int(d.int()), Throttle: d.int()}
}

func encodeSettings(e *encoder, s *partition.Settings) {
	e.int(int64(s.Partitions))
	e.int(int64(s.ReplicationFactor))
	e.int(int64(s.MinInSync))
	e.int(int64(s.ExpectNodes))
}

func decodeSettings(d *decoder) partition.Settings {
	return partition.Settings{
		Partitions: int(d.int()), ReplicationFactor: int(d.int()),
		MinInSync: int(d.int()), ExpectNodes: int(d.int()),
	}
}

func encodeStamp(e *encoder, s partition.Stamp) {
	e.uint(s.Version)
	e.fixed(s.History)
}

func decodeStamp(d *decoder) partition.Stamp {
	return partition.Stamp{Version: d.uint(), History: d.fixed()}
}

func encodeMap(e *encoder, m *partition.Map) {
	encodeStamp(e, m.Stamp())
	e.string(m.ClusterID)
	e.string(m.Application)
	encodeSettings(e, &m.Settings)
	encodeList(e, m.Nodes, encodeNode)
	encodeList(e, m.Partitions, encodeConfiguration)
	encodeRebalance(e, &m.Rebalance)
	encodeList(e, m.Moves, encodeMove)
}

func decodeMap(d *decoder) *partition.Map {
	return &partition.Map{
		Version: d.uint(), History: d.fixed(), ClusterID: d.string(), Application: d.string(), Settings: decodeSettings(d),
		Nodes: decodeList(d, 23, decodeNode), Partitions: decodeList(d, 8, decodeConfiguration),
		Rebalance: decodeRebalance(d), Moves: decodeList(d, 6, decodeMove),
	}
}

func encodeChange(e *encoder, c *partition.Change) {
	e.uint(uint64(c.Partition))
	e.uint(uint64(c.Epoch))
	e.node(c.Primary)
	encodeReplicas(e, c.Replicas)
	encodeList(e, c.Added, func(e *encoder, a *partition.Added) { e.node(a.Node); encodeStart(e, a.Start) })
	e.node(c.Proposer)
	e.string(c.Reason)
}

func decodeChange(d *decoder) partition.Change {
	return partition.Change{
		Partition: partition.ID(d.uint32()), Epoch: partition.Epoch(d.uint()), Primary: d.node(),
		Replicas: decodeReplicas(d),
		Added:    decodeList(d, 10, func(d *decoder) partition.Added { return partition.Added{Node: d.node(), Start: decodeStart(d)} }),
		Proposer: d.node(), Reason: d.string(),
	}
}

func encodeCopy(e *encoder, c *Copy) {
	e.uint(uint64(c.Partition))
	e.uint(uint64(c.Epoch))
	e.uint(uint64(c.Lineage))
	e.bool(c.Configuration != nil)
	if c.Configuration != nil {
		encodeConfiguration(e, c.Configuration)
	}
}

func decodeCopy(d *decoder) Copy {
	c := Copy{Partition: partition.ID(d.uint32()), Epoch: partition.Epoch(d.uint()), Lineage: d.uint32()}
	if d.bool() {
		adopted := decodeConfiguration(d)
		c.Configuration = &adopted
	}
	return c
}

func encodeDelta(e *encoder, v *partition.Delta) {
	encodeStamp(e, partition.Stamp{Version: v.Since, History: v.Base})
	encodeStamp(e, partition.Stamp{Version: v.Version, History: v.History})
	e.bool(v.Cluster != nil)
	if v.Cluster != nil {
		e.string(v.Cluster.ClusterID)
		e.string(v.Cluster.Application)
		encodeSettings(e, &v.Cluster.Settings)
	}
	encodeList(e, v.Nodes, encodeNode)
	encodeList(e, v.Left, func(e *encoder, id *partition.NodeID) { e.node(*id) })
	encodeList(e, v.Partitions, encodeConfiguration)
	e.bool(v.Rebalance != nil)
	if v.Rebalance != nil {
		encodeRebalance(e, v.Rebalance)
	}
	encodeList(e, v.Moves, encodeMove)
	encodeList(e, v.Ended, func(e *encoder, id *partition.ID) { e.uint(uint64(*id)) })
}

func decodeDelta(d *decoder) partition.Delta {
	v := partition.Delta{Since: d.uint(), Base: d.fixed(), Version: d.uint(), History: d.fixed()}
	if d.bool() {
		v.Cluster = &partition.Cluster{ClusterID: d.string(), Application: d.string(), Settings: decodeSettings(d)}
	}
	v.Nodes = decodeList(d, 23, decodeNode)
	v.Left = decodeList(d, 1, (*decoder).node)
	v.Partitions = decodeList(d, 8, decodeConfiguration)
	if d.bool() {
		r := decodeRebalance(d)
		v.Rebalance = &r
	}
	v.Moves = decodeList(d, 6, decodeMove)
	v.Ended = decodeList(d, 1, func(d *decoder) partition.ID { return partition.ID(d.uint32()) })
	return v
}

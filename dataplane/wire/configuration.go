package wire

import (
	"encoding/binary"

	"github.com/holdfast-io/holdfast/partition"
)

// smallestReplica is the least that a replica takes: an empty name, a store.
const smallestReplica = 1 + 8

// AppendConfiguration appends the encoding of a partition's configuration.
func AppendConfiguration(dst []byte, c *partition.Configuration) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.ID))
	dst = binary.AppendUvarint(dst, uint64(c.Epoch))
	dst = binary.LittleEndian.AppendUint32(dst, c.Lineage)
	dst = appendString(dst, c.Primary)
	dst = appendReplicas(dst, c.Replicas)
	dst = appendReplicas(dst, c.Learners)
	dst = appendReplicas(dst, c.Eligible)
	return appendReplicas(dst, c.Unavailable)
}

func appendReplicas(dst []byte, list []partition.Replica) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for i := range list {
		dst = appendString(dst, list[i].Node)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(list[i].Store))
	}
	return dst
}

// DecodeConfiguration decodes the configuration at the start of b, and returns
// what follows it. An empty list comes out as nil. It shares no memory with b.
func DecodeConfiguration(b []byte) (c *partition.Configuration, rest []byte, err error) {
	d := newDecoder("configuration", b)
	c = d.configuration()
	if d.err != nil {
		return nil, nil, d.err
	}
	return c, d.b, nil
}

func (d *decoder) configuration() *partition.Configuration {
	c := &partition.Configuration{ID: d.partition(), Epoch: d.epoch(), Lineage: d.uint32("lineage")}
	c.Primary = partition.NodeID(d.string("primary"))
	c.Replicas = d.replicas("replicas")
	c.Learners = d.replicas("learners")
	c.Eligible = d.replicas("eligible")
	c.Unavailable = d.replicas("unavailable")
	return c
}

func (d *decoder) replicas(field string) []partition.Replica {
	n := d.count(smallestReplica, field)
	if n == 0 {
		return nil
	}
	list := make([]partition.Replica, n)
	for i := range list {
		list[i].Node = partition.NodeID(d.string(field))
		list[i].Store = partition.StoreID(d.uint64(field))
	}
	return list
}

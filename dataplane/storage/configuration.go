package storage

import (
	"encoding/binary"

	"github.com/holdfast-io/holdfast/partition"
)

// appendConfiguration appends a configuration, or that there is none. Partition
// and epoch are those of the record that it stands in.
func appendConfiguration(dst []byte, c *partition.Configuration) []byte {
	if c == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = binary.LittleEndian.AppendUint32(dst, c.Lineage)
	dst = appendBytes(dst, []byte(c.Primary))
	for _, list := range [][]partition.Replica{c.Replicas, c.Learners, c.Eligible, c.Unavailable} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, r := range list {
			dst = appendBytes(dst, []byte(r.Node))
			dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Store))
		}
	}
	return dst
}

// configuration reads what appendConfiguration wrote. It keeps nothing of the
// buffer.
func (r *reader) configuration(id partition.ID, epoch partition.Epoch) *partition.Configuration {
	switch r.byte("configuration") {
	case 0:
		return nil
	case 1:
	default:
		r.fail("configuration")
		return nil
	}
	c := &partition.Configuration{ID: id, Epoch: epoch, Lineage: r.uint32("lineage"), Primary: partition.NodeID(r.bytes("primary"))}
	for _, list := range []*[]partition.Replica{&c.Replicas, &c.Learners, &c.Eligible, &c.Unavailable} {
		for range r.uvarint("replicas") {
			*list = append(*list, partition.Replica{Node: partition.NodeID(r.bytes("node")), Store: partition.StoreID(r.uint64("store"))})
			if r.err != nil {
				return nil
			}
		}
	}
	return c
}

package wire

import (
	"encoding/binary"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// Which parts of a claim or a refusal follow.
const (
	claimConfiguration = 1 << iota
	claimGrant

	// answeringLeaves stands beside the shortages.
	answeringLeaves = 0x80

	smallestClaim   = 3 // partition, flags, epoch
	smallestRefusal = 2 // partition, flags
)

func appendBeacon(dst []byte, b *replica.Beacon) []byte {
	dst = binary.AppendUvarint(dst, b.ID)
	dst = appendDuration(dst, b.Lease)
	dst = binary.AppendUvarint(dst, b.Answers)
	dst = binary.AppendUvarint(dst, uint64(len(b.Claims)))
	for i := range b.Claims {
		c := &b.Claims[i]
		dst = binary.AppendUvarint(dst, uint64(c.Partition))
		dst = append(dst, flag(c.Configuration != nil, claimConfiguration)|flag(c.Grant > 0, claimGrant))
		dst = binary.AppendUvarint(dst, uint64(c.Epoch))
		if c.Configuration != nil {
			dst = AppendConfiguration(dst, c.Configuration)
		}
		if c.Grant > 0 {
			dst = appendDuration(dst, c.Grant)
		}
	}
	return dst
}

func (d *decoder) beacon() *replica.Beacon {
	b := &replica.Beacon{ID: d.uvarint("beacon ID"), Lease: d.duration("lease"), Answers: d.uvarint("answered beacon")}
	if n := d.count(smallestClaim, "claims"); n > 0 {
		b.Claims = make([]replica.Claim, n)
	}
	for i := range b.Claims {
		c := &b.Claims[i]
		c.Partition = d.partition()
		flags := d.flags(claimConfiguration | claimGrant)
		c.Epoch = d.epoch()
		if flags&claimConfiguration != 0 {
			c.Configuration = d.configuration()
		}
		if flags&claimGrant != 0 {
			if c.Grant = d.duration("grant"); c.Grant == 0 {
				d.fail("grant")
			}
		}
		if d.err != nil {
			return nil
		}
	}
	return b
}

func appendAnswering(dst []byte, a *replica.Answering) []byte {
	dst = binary.AppendUvarint(dst, a.ID)
	dst = append(dst, byte(a.Shortage)|flag(a.Leaving, answeringLeaves))
	dst = binary.AppendUvarint(dst, uint64(len(a.Refused)))
	for i := range a.Refused {
		r := &a.Refused[i]
		dst = binary.AppendUvarint(dst, uint64(r.Partition))
		dst = append(dst, flag(r.Configuration != nil, claimConfiguration))
		if r.Configuration != nil {
			dst = AppendConfiguration(dst, r.Configuration)
		}
	}
	return dst
}

func (d *decoder) answering() *replica.Answering {
	a := &replica.Answering{ID: d.uvarint("beacon ID")}
	flags := d.flags(byte(replica.AllShortages) | answeringLeaves)
	a.Shortage, a.Leaving = replica.Shortage(flags)&replica.AllShortages, flags&answeringLeaves != 0
	if n := d.count(smallestRefusal, "refusals"); n > 0 {
		a.Refused = make([]replica.Refusal, n)
	}
	for i := range a.Refused {
		r := &a.Refused[i]
		r.Partition = d.partition()
		if d.flags(claimConfiguration)&claimConfiguration != 0 {
			r.Configuration = d.configuration()
		}
		if d.err != nil {
			return nil
		}
	}
	return a
}

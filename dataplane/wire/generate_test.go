package wire

import (
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// The generators make values as decoders return them: empty lists are nil.

func drawBytes(t *rapid.T, most int) []byte {
	b := rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, "bytes")
	if len(b) == 0 {
		return nil
	}
	return b
}

func drawList[T any](t *rapid.T, most int, draw func(*rapid.T) T) []T {
	var list []T
	for range rapid.IntRange(0, most).Draw(t, "length") {
		list = append(list, draw(t))
	}
	return list
}

func drawReplica(t *rapid.T) partition.Replica {
	return partition.Replica{
		Node:  partition.NodeID(rapid.StringN(0, 10, 20).Draw(t, "node")),
		Store: partition.StoreID(rapid.Uint64().Draw(t, "store")),
	}
}

func drawConfiguration(t *rapid.T) *partition.Configuration {
	return &partition.Configuration{
		ID: drawPartition(t), Epoch: drawEpoch(t), Lineage: rapid.Uint32().Draw(t, "lineage"),
		Primary:  partition.NodeID(rapid.String().Draw(t, "primary")),
		Replicas: drawList(t, 4, drawReplica), Learners: drawList(t, 4, drawReplica),
		Eligible: drawList(t, 4, drawReplica), Unavailable: drawList(t, 4, drawReplica),
	}
}

func maybeConfiguration(t *rapid.T) *partition.Configuration {
	if rapid.Bool().Draw(t, "configuration") {
		return drawConfiguration(t)
	}
	return nil
}

func drawPartition(t *rapid.T) partition.ID {
	return partition.ID(rapid.Uint32().Draw(t, "partition"))
}

func drawEpoch(t *rapid.T) partition.Epoch {
	return partition.Epoch(rapid.Uint64().Draw(t, "epoch"))
}

func drawPosition(t *rapid.T) entry.Position {
	return entry.Position{Sequence: rapid.Uint64().Draw(t, "sequence"), Epoch: drawEpoch(t)}
}

func drawRequest(t *rapid.T) (id entry.RequestID, lowestOpen uint64) {
	if rapid.Bool().Draw(t, "request") {
		id.Origin = partition.StoreID(rapid.Uint64().Draw(t, "origin"))
		id.Boot, id.Counter = rapid.Uint64().Draw(t, "boot"), rapid.Uint64().Draw(t, "counter")
		lowestOpen = rapid.Uint64().Draw(t, "lowest open")
	}
	return id, lowestOpen
}

func maybeIdempotency(t *rapid.T) *entry.Idempotency {
	if rapid.Bool().Draw(t, "keyed") {
		return nil
	}
	return &entry.Idempotency{
		ID:          entry.IdempotencyID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ID")),
		Fingerprint: entry.Fingerprint(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "fingerprint")),
	}
}

func drawEntry(t *rapid.T) *entry.Entry {
	e := &entry.Entry{
		Position: drawPosition(t), Kind: rapid.SampledFrom([]entry.Kind{entry.Marker, entry.Put, entry.Delete}).Draw(t, "kind"),
		Existed: rapid.Bool().Draw(t, "existed"), Key: drawBytes(t, 20), Value: drawBytes(t, 300),
	}
	e.Request, e.LowestOpen = drawRequest(t)
	e.Logged = entry.LoggedTime(rapid.Uint64().Draw(t, "logged"))
	if e.Kind == entry.Put {
		e.Expires = entry.LoggedTime(rapid.Uint64().Draw(t, "expires"))
	}
	if e.Kind != entry.Marker {
		e.Idempotency = maybeIdempotency(t)
	}
	return e
}

func drawDuration(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64Min(0).Draw(t, "duration"))
}

func drawMessage(t *rapid.T) replica.Message {
	m := replica.Message{
		Kind:      replica.MessageKind(rapid.IntRange(int(replica.Probe), replica.Kinds-1).Draw(t, "kind")),
		Partition: drawPartition(t), Epoch: drawEpoch(t), Configuration: maybeConfiguration(t),
		First: rapid.Uint64().Draw(t, "first"), Committed: rapid.Uint64().Draw(t, "committed"),
		Mismatch: rapid.Bool().Draw(t, "mismatch"), Entries: drawList(t, 5, drawEntry),
	}
	if rapid.Bool().Draw(t, "positions") {
		m.Previous, m.Last = drawPosition(t), drawPosition(t)
	}
	switch m.Kind {
	case replica.HashReply:
		m.Hash = rapid.Uint64().Draw(t, "hash")
	case replica.BeaconMessage:
		m.Beacon = &replica.Beacon{
			ID: rapid.Uint64().Draw(t, "ID"), Lease: drawDuration(t), Answers: rapid.Uint64().Draw(t, "answers"),
			Claims: drawList(t, 5, func(t *rapid.T) replica.Claim {
				return replica.Claim{Partition: drawPartition(t), Epoch: drawEpoch(t), Configuration: maybeConfiguration(t), Grant: drawDuration(t)}
			}),
		}
	case replica.BeaconReply:
		m.Reply = &replica.Answering{
			ID: rapid.Uint64().Draw(t, "ID"), Shortage: replica.Shortage(rapid.IntRange(0, int(replica.AllShortages)).Draw(t, "shortage")), Leaving: rapid.Bool().Draw(t, "leaving"),
			Refused: drawList(t, 5, func(t *rapid.T) replica.Refusal {
				return replica.Refusal{Partition: drawPartition(t), Configuration: maybeConfiguration(t)}
			}),
		}
	}
	return m
}

func drawETag(t *rapid.T) entry.ETag {
	return entry.ETag{Lineage: rapid.Uint32().Draw(t, "lineage"), Sequence: rapid.Uint64().Draw(t, "sequence")}
}

func drawOperation(t *rapid.T) replica.Operation {
	op := replica.Operation{
		Action:    rapid.SampledFrom([]replica.Action{replica.Get, replica.Put, replica.Delete}).Draw(t, "action"),
		Partition: drawPartition(t), Epoch: drawEpoch(t), Key: drawBytes(t, 30), Value: drawBytes(t, 300),
		Condition: replica.Condition{
			IfMatch: drawList(t, 3, drawETag), IfMatchAny: rapid.Bool().Draw(t, "any"),
			IfNoneMatch: drawList(t, 3, drawETag), IfNoneMatchStar: rapid.Bool().Draw(t, "star"),
		},
	}
	op.Request, op.LowestOpen = drawRequest(t)
	op.Idempotency, op.TTL = maybeIdempotency(t), drawDuration(t)
	return op
}

func drawAnswer(t *rapid.T) replica.Answer {
	return replica.Answer{
		Outcome:   replica.Outcome(rapid.IntRange(int(replica.Done), int(replica.LastOutcome)).Draw(t, "outcome")),
		Partition: drawPartition(t), Epoch: drawEpoch(t), Lineage: rapid.Uint32().Draw(t, "lineage"),
		Result: entry.Result{Sequence: rapid.Uint64().Draw(t, "sequence"), Existed: rapid.Bool().Draw(t, "existed")},
		Value:  drawBytes(t, 300), Configuration: maybeConfiguration(t),
	}
}

package wire

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// batch is an Append as it is under load: entries of 100-byte values.
func batch(entries int) replica.Message {
	m := replica.Message{Kind: replica.Append, Partition: 5, Epoch: 7, Previous: entry.Position{Sequence: 1000, Epoch: 7}, Committed: 990}
	for i := range entries {
		m.Entries = append(m.Entries, &entry.Entry{
			Position: entry.Position{Sequence: 1001 + uint64(i), Epoch: 7}, Kind: entry.Put,
			Key: []byte("key-000123456789"), Value: make([]byte, 100),
			Request: entry.RequestID{Origin: 1, Boot: 2, Counter: 3000}, LowestOpen: 2990,
		})
	}
	return m
}

// claims is a beacon of a node that is primary of so many partitions.
func claims(n int) replica.Message {
	b := &replica.Beacon{ID: 1000, Lease: time.Second}
	for i := range n {
		b.Claims = append(b.Claims, replica.Claim{Partition: partition.ID(i), Epoch: 7})
	}
	return replica.Message{Kind: replica.BeaconMessage, Beacon: b}
}

func BenchmarkMessage(b *testing.B) {
	for _, c := range []struct {
		name string
		m    replica.Message
	}{
		{"ack", replica.Message{Kind: replica.Ack, Partition: 5, Epoch: 7, Last: entry.Position{Sequence: 1000, Epoch: 7}}},
		{"append 1", batch(1)}, {"append 16", batch(16)}, {"beacon 85", claims(85)},
	} {
		encoded := AppendMessage(nil, &c.m)
		b.Run(c.name+"/encode", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			var dst []byte
			for b.Loop() {
				dst = AppendMessage(dst[:0], &c.m)
			}
		})
		b.Run(c.name+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				if _, _, err := DecodeMessage(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOperation(b *testing.B) {
	op := replica.Operation{
		Action: replica.Put, Partition: 5, Epoch: 7, Key: []byte("key-000123456789"), Value: make([]byte, 100),
		Request: entry.RequestID{Origin: 1, Boot: 2, Counter: 3000}, LowestOpen: 2990,
	}
	var dst []byte
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = AppendOperation(dst[:0], &op, time.Second)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeOperation(dst, 100); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	answer := replica.Answer{Outcome: replica.Found, Partition: 5, Epoch: 7, Lineage: 9, Result: entry.Result{Sequence: 1000}, Value: make([]byte, 100)}
	var dst []byte
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = AppendAnswer(dst[:0], &answer)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeAnswer(dst); err != nil {
				b.Fatal(err)
			}
		}
	})
}

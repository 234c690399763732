package dataplane

import (
	"fmt"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// BenchmarkRead is a read past the executor, at the primary and at a secondary,
// of a value that is in the table. The secondary's look whether the key is clean
// is one hash and one atomic load. A value in the file costs a bbolt lookup
// more (storage.BenchmarkGetFile).
func BenchmarkRead(b *testing.B) {
	engine := openStorage(b)
	table := engine.OpenPartition(0, 7)
	const keys = 1000
	var names [keys][]byte
	for i := range names {
		names[i] = fmt.Appendf(nil, "key-%010d", i)
		table.Apply([]*entry.Entry{{
			Position: entry.Position{Sequence: uint64(i + 1), Epoch: 3}, Kind: entry.Put, Key: names[i], Value: make([]byte, 100),
		}})
	}
	end := now() + replica.Time(1<<60)
	for name, view := range map[string]*replica.View{
		"primary":   {Epoch: 3, Lineage: 7, Serving: true, LeaseUntil: end},
		"secondary": {Epoch: 3, Lineage: 7, GrantUntil: end, Unapplied: new(replica.Unapplied)},
	} {
		b.Run(name, func(b *testing.B) {
			s := make(slots, 1)
			s.install(0, table)
			s.publish(0, view)
			b.ReportAllocs()
			op := replica.Operation{Action: replica.Get}
			for i := 0; b.Loop(); i++ {
				op.Key = names[i%keys]
				if _, result := s.read(&op, now); result != readLocal {
					b.Fatal(result)
				}
			}
		})
	}
}

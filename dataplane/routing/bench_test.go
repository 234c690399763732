package routing

import (
	"fmt"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// BenchmarkDecision is all that routing does for a request which goes right:
// the partition of the key, where to send it, and what its answer means.
func BenchmarkDecision(b *testing.B) {
	for _, partitions := range []int{256, 65_536} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
			m := &partition.Map{Version: 1, Partitions: make([]partition.Configuration, partitions)}
			for id := range m.Partitions {
				m.Partitions[id] = partition.Configuration{
					ID: partition.ID(id), Epoch: 5, Primary: partition.NodeID([]string{"n1", "n2", "n3"}[id%3]),
				}
			}
			keys := make([][]byte, 1<<14)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "key-%012d", i)
			}
			a := replica.Answer{Outcome: replica.Done, Epoch: 5, Result: entry.Result{Sequence: 1}}
			var r Request
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Reset(partition.Of(keys[i%len(keys)], partitions), replica.Put, 1000)
				if d := r.Next(0, m); d.Step != Send {
					b.Fatalf("step %d", d.Step)
				}
				r.Answered(1, a)
				if d := r.Next(1, m); d.Verdict != Answered {
					b.Fatalf("verdict %d", d.Verdict)
				}
			}
		})
	}
}

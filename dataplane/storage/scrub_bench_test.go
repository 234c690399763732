package storage

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// BenchmarkWriteBesideScrub writes 100 bytes a record, in batches as a busy node
// does, with flushes as they come, while 100 MB of files are scrubbed at some rate.
func BenchmarkWriteBesideScrub(b *testing.B) {
	const keys = 500_000
	for _, rate := range []int64{-1, 2 << 20, 16 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("MiB/s=%d", max(0, rate>>20)), func(b *testing.B) {
			registry := prometheus.NewRegistry()
			e, err := Open(Options{
				Dir: b.TempDir(), NodeID: "n1", ReserveDisk: 1, Registerer: registry, ScrubRate: rate,
				MemoryTable: 32 << 20, LogRetention: 64 << 20,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			t := fill(b, e, keys)
			if err := e.flush(0, false); err != nil {
				b.Fatal(err)
			}
			s, scrubbed := uint64(keys), counted(b, registry, "holdfast_storage_scrubbed_bytes_total")
			b.ResetTimer()
			before := processorTime()
			for done := 0; done < b.N; {
				var batch []*entry.Entry
				for range min(256, b.N-done) {
					s++
					batch = append(batch, put(s, fmt.Sprintf("key-%08d", s*15485863%keys), fmt.Sprintf("%0100d", s)))
				}
				synced := make(chan struct{})
				e.Append(records(0, batch...), func() { close(synced) })
				<-synced
				t.Apply(batch)
				done += len(batch)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64((processorTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/record")
			scrubbed = counted(b, registry, "holdfast_storage_scrubbed_bytes_total") - scrubbed
			b.ReportMetric(scrubbed/(1<<20)/b.Elapsed().Seconds(), "scrubbed-MiB/s")
		})
	}
}

// BenchmarkScrub checks a file of a partition as fast as it can.
func BenchmarkScrub(b *testing.B) {
	e := benchEngine(b)
	t := fill(b, e, 200_000)
	if err := e.flush(0, false); err != nil {
		b.Fatal(err)
	}
	read, before := int64(0), processorTime()
	for b.Loop() {
		s, err := t.inUse().scrub(0, t.generation)
		if err != nil {
			b.Fatal(err)
		}
		for done := false; !done; {
			var n int64
			if n, done, err = s.step(); err != nil {
				b.Fatal(err)
			}
			read += n
		}
		s.close()
	}
	b.SetBytes(read / int64(b.N))
	b.ReportMetric(float64((processorTime()-before).Microseconds())/(float64(read)/(1<<20)), "cpu-us/MiB")
}

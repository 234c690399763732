package storage

import (
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func benchEngine(b *testing.B) *Engine {
	b.Helper()
	e, err := Open(Options{Dir: b.TempDir(), NodeID: "n1", ReserveDisk: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return e
}

// BenchmarkAppend has 64 appenders, each waiting for its fsync.
func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			e := benchEngine(b)
			value := make([]byte, 100)
			for id := range appenders {
				e.OpenPartition(partition.ID(id), lineage)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for a := range appenders {
				wg.Go(func() {
					done := make(chan struct{}, 1)
					for s := uint64(1); s <= uint64(max(1, b.N/appenders)); s++ {
						en := &entry.Entry{Position: entry.Position{Sequence: s, Epoch: 1}, Kind: entry.Put, Key: []byte("key-0000012345"), Value: value}
						e.Append([]entry.Record{{Partition: partition.ID(a), Lineage: lineage, Entry: en}}, func() { done <- struct{}{} })
						<-done
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func fill(b *testing.B, e *Engine, n uint64) *Table {
	b.Helper()
	t := e.OpenPartition(0, lineage)
	var batch []*entry.Entry
	for s := uint64(1); s <= n; s++ {
		batch = append(batch, put(s, fmt.Sprintf("key-%08d", s*7919%n), fmt.Sprintf("%0100d", s)))
		if len(batch) == 1000 || s == n {
			e.Append(records(0, batch...), nil)
			t.Apply(batch)
			batch = nil
		}
	}
	return t
}

func BenchmarkGetMemory(b *testing.B) {
	const n = 100_000
	t := fill(b, benchEngine(b), n)
	keys := make([][]byte, 1024)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%08d", i*89%n)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, _, ok, err := t.Get(keys[i&1023]); !ok || err != nil {
			b.Fatal(ok, err)
		}
		i++
	}
}

func BenchmarkGetFile(b *testing.B) {
	const n = 1_000_000
	e := benchEngine(b)
	t := fill(b, e, n)
	if err := e.flush(0, false); err != nil {
		b.Fatal(err)
	}
	keys := make([][]byte, 65536)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%08d", uint64(i)*104729%n)
	}
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, ok, err := t.Lookup(keys[i&65535]); !ok || err != nil {
				b.Fatal(ok, err)
			}
			i++
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, _, ok, err := t.Get(keys[i&65535]); !ok || err != nil {
				b.Fatal(ok, err)
			}
			i++
		}
	})
}

func BenchmarkApply(b *testing.B) {
	e := benchEngine(b)
	t := e.OpenPartition(0, lineage)
	keys := make([][]byte, 10_000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%08d", i)
	}
	value := make([]byte, 100)
	b.ReportAllocs()
	s := uint64(0)
	for b.Loop() {
		s++
		t.Apply([]*entry.Entry{{Position: entry.Position{Sequence: s, Epoch: 1}, Kind: entry.Put, Key: keys[s%10_000], Value: value,
			Request: entry.RequestID{Origin: 1, Boot: 1, Counter: s}, LowestOpen: s - min(s, 64)}})
	}
}

func BenchmarkFlush(b *testing.B) {
	for _, n := range []uint64{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			e := benchEngine(b)
			t := fill(b, e, 1_000_000)
			if err := e.flush(0, false); err != nil {
				b.Fatal(err)
			}
			s := uint64(1_000_000)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				var batch []*entry.Entry
				for range n {
					s++
					batch = append(batch, put(s, fmt.Sprintf("key-%08d", s*15485863%1_000_000), fmt.Sprintf("%0100d", s)))
				}
				t.Apply(batch)
				b.StartTimer()
				if err := e.flush(0, false); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

// BenchmarkOpen opens a directory whose log has a million records to replay.
func BenchmarkOpen(b *testing.B) {
	o := Options{Dir: b.TempDir(), NodeID: "n1", ReserveDisk: 1, LogRetention: 1 << 40, MemoryTable: 1 << 40}
	e, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, e, 1_000_000)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		e, err := Open(o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(e.retention.bytes())/1e6, "MB-log")
		b.StopTimer()
		if got := len(e.Recovered()[0].Log); got != 1_000_000 {
			b.Fatal(got)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

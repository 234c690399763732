package storage

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// BenchmarkCopy makes a snapshot of a partition's file and takes it in elsewhere, as
// a move does. What counts on a busy machine is the processor time of a MiB.
func BenchmarkCopy(b *testing.B) {
	for _, size := range []int{100, 1000, 16_384} {
		b.Run(fmt.Sprintf("value=%d", size), func(b *testing.B) {
			const all = 4 << 20
			from, to := benchEngine(b), benchEngine(b)
			t := from.OpenPartition(0, lineage)
			for s := uint64(1); s <= uint64(all/size); s++ {
				t.Apply([]*entry.Entry{put(s, fmt.Sprintf("key-%08d", s), fmt.Sprintf("%0*d", size, s))})
			}
			if err := from.flush(0, false); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(all)
			b.ReportAllocs()
			before := processorTime()
			for b.Loop() {
				if err := copyOnce(from, to); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N)/(all>>20), "cpu-us/MiB")
		})
	}
}

func copyOnce(from, to *Engine) (err error) {
	s, err := from.Snapshot(0)
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := to.Receive(0, s.Lineage, s.Applied)
	if err != nil {
		return err
	}
	for {
		chunk, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := r.Write(chunk); err != nil {
			return err
		}
	}
	_, err = r.Commit()
	return err
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

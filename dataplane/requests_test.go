package dataplane

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// TestRequestsAgainstModel opens and closes requests at random, and compares
// the lowest open one with a set.
func TestRequestsAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := newRequests(7, partition.Start{Incarnation: 3, ID: 33})
		var open []uint64
		most := 1 << random.IntN(15) // past several doublings of the ring
		for range 40_000 {
			if len(open) == 0 || len(open) < most && random.IntN(3) > 0 {
				want := r.newest + 1
				if len(open) > 0 {
					want = lowestOf(open)
				}
				id, lowest := r.begin()
				if lowest != want || id.Origin != 7 || id.Boot != 3 || id.Start != 33 || id.Counter != r.newest {
					t.Fatalf("seed %d: begin gave %+v with lowest %d, want %d", seed, id, lowest, want)
				}
				open = append(open, id.Counter)
				continue
			}
			i := random.IntN(len(open))
			if random.IntN(4) > 0 {
				i = 0 // mostly in order, as requests end
			}
			r.end(open[i])
			open = append(open[:i], open[i+1:]...)
		}
	}
}

// lowestOf needs no search: open is kept in the order of begin.
func lowestOf(open []uint64) uint64 { return open[0] }

func TestRequestsFromManyGoroutines(t *testing.T) {
	t.Parallel()
	r := newRequests(1, partition.Start{Incarnation: 1, ID: 1})
	slow, _ := r.begin()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5_000 {
				id, lowest := r.begin()
				if lowest != slow.Counter {
					t.Errorf("lowest open is %d while %d is open", lowest, slow.Counter)
				}
				r.end(id.Counter)
			}
		})
	}
	group.Wait()
	r.end(slow.Counter)
	if _, lowest := r.begin(); lowest != r.newest {
		t.Errorf("lowest open is %d with none but %d open", lowest, r.newest)
	}
}

func BenchmarkRequests(b *testing.B) {
	r := newRequests(1, partition.Start{Incarnation: 1, ID: 1})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id, _ := r.begin()
			r.end(id.Counter)
		}
	})
}

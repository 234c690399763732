package dataplane

import (
	"math/bits"
	"sync"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// requests numbers the requests that this boot of the node receives, and knows
// the lowest number that is still open (rule Q3; RIFL, Lee et al. 2015). It is
// a counter and a ring of bits, one for each number from the lowest open to the
// newest, so one slow request costs a bit for each that passes it.
type requests struct {
	origin partition.StoreID
	start  partition.Start

	mu     sync.Mutex
	newest uint64   // the last number given out
	lowest uint64   // the lowest that is open, or newest+1
	done   []uint64 // bit n mod 64*len: number n, at or above lowest, has ended
}

// ringWords is the ring's first size, 64 numbers a word.
const ringWords = 64

func newRequests(origin partition.StoreID, start partition.Start) *requests {
	return &requests{origin: origin, start: start, lowest: 1, done: make([]uint64, ringWords)}
}

// begin opens a request, and returns its ID and the lowest open counter.
func (r *requests) begin() (id entry.RequestID, lowestOpen uint64) {
	r.mu.Lock()
	r.newest++
	if r.newest/64-r.lowest/64 >= uint64(len(r.done)) {
		r.grow()
	}
	id = entry.RequestID{Origin: r.origin, Boot: r.start.Incarnation, Start: r.start.ID, Counter: r.newest}
	lowestOpen = r.lowest
	r.mu.Unlock()
	return id, lowestOpen
}

// end closes the request with that counter, once: no attempt at it will be made
// any more, and one that is still on its way will be refused.
func (r *requests) end(counter uint64) {
	r.mu.Lock()
	word, bit := r.bit(counter)
	r.done[word] |= bit
	if counter == r.lowest {
		r.advance()
	}
	r.mu.Unlock()
}

func (r *requests) bit(counter uint64) (word int, bit uint64) {
	return int(counter / 64 % uint64(len(r.done))), 1 << (counter % 64)
}

// advance moves lowest past all that have ended, and clears their bits. Caller
// holds mu.
func (r *requests) advance() {
	for r.lowest <= r.newest {
		word, _ := r.bit(r.lowest)
		from := r.lowest % 64
		run := uint64(bits.TrailingZeros64(^(r.done[word] >> from)))
		run = min(run, 64-from)
		if run == 0 {
			return
		}
		r.done[word] &^= (1<<run - 1) << from
		r.lowest += run
		if run < 64-from {
			return
		}
	}
}

// grow doubles the ring. Caller holds mu.
func (r *requests) grow() {
	old := r.done
	r.done = make([]uint64, 2*len(old))
	// The ring never holds parts of two words in one, so words move whole.
	for word := r.lowest / 64; word <= (r.newest-1)/64; word++ {
		r.done[word%uint64(len(r.done))] = old[word%uint64(len(old))]
	}
}

package storage

import (
	"sync"

	"github.com/holdfast-io/holdfast/partition"
)

// retention knows which part of the log is still needed. The log is divided
// into stretches of a few MiB; for each partition it notes in which of them
// there are entries that its file does not have.
type retention struct {
	mu        sync.Mutex
	stretches []stretch
	spans     map[partition.ID][]span
}

// stretch is a run of the log's batches, the first of which starts with a
// checkpoint. The log is cut only before one.
type stretch struct {
	first uint64 // index of its first batch
	bytes int64
}

// span is the partition's entries within one stretch.
type span struct {
	stretch  uint64 // its first index
	min, max uint64 // sequences
}

func newRetention() *retention { return &retention{spans: map[partition.ID][]span{}} }

// begin starts a stretch with the batch of that index.
func (r *retention) begin(index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stretches = append(r.stretches, stretch{first: index})
}

// grow adds a batch of that many bytes to the last stretch and returns the
// stretch's size.
func (r *retention) grow(bytes int) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := &r.stretches[len(r.stretches)-1]
	last.bytes += int64(bytes)
	return last.bytes
}

// add notes an entry in the last stretch. It replaces everything the partition
// had from its sequence on.
func (r *retention) add(id partition.ID, sequence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.stretches[len(r.stretches)-1].first
	spans := r.spans[id]
	for len(spans) > 0 {
		last := &spans[len(spans)-1]
		if last.min < sequence {
			last.max = min(last.max, sequence-1)
			break
		}
		spans = spans[:len(spans)-1]
	}
	if n := len(spans); n > 0 && spans[n-1].stretch == current {
		spans[n-1].max = sequence
	} else {
		spans = append(spans, span{stretch: current, min: sequence, max: sequence})
	}
	r.spans[id] = spans
}

// forget drops what was noted of a partition: its log is void.
func (r *retention) forget(id partition.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.spans, id)
}

// flushed notes that the partition's file has everything up to the sequence.
func (r *retention) flushed(id partition.ID, sequence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans := r.spans[id]
	for len(spans) > 0 && spans[0].max <= sequence {
		spans = spans[1:]
	}
	if len(spans) == 0 {
		delete(r.spans, id)
		return
	}
	spans[0].min = max(spans[0].min, sequence+1)
	r.spans[id] = spans
}

// needed returns the index of the first batch that must stay.
func (r *retention) needed() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.stretches) == 0 {
		return 0
	}
	first := r.stretches[len(r.stretches)-1].first
	for _, spans := range r.spans {
		first = min(first, spans[0].stretch)
	}
	return first
}

// oldest returns the first stretch that somebody needs, and the partitions
// that need it, with the lowest sequence that each lacks in its file.
func (r *retention) oldest() (first uint64, needy map[partition.ID]uint64) {
	first = r.needed()
	r.mu.Lock()
	defer r.mu.Unlock()
	needy = map[partition.ID]uint64{}
	for id, spans := range r.spans {
		if spans[0].stretch == first {
			needy[id] = spans[0].min
		}
	}
	return first, needy
}

// cut forgets the stretches before the one that begins at index, and reports
// whether there were any.
func (r *retention) cut(index uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.stretches)
	for len(r.stretches) > 1 && r.stretches[0].first < index {
		r.stretches = r.stretches[1:]
	}
	return len(r.stretches) < before
}

// bytes returns the length of the log, all stretches together.
func (r *retention) bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum int64
	for _, s := range r.stretches {
		sum += s.bytes
	}
	return sum
}

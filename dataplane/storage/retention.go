package storage

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// retention knows which part of the log is still needed. The log is divided
// into stretches of a few MiB; for each partition it notes in which of them
// there are entries that its file does not have, and those entries.
type retention struct {
	held atomic.Int64 // bytes in memory of the entries in needs

	mu        sync.Mutex
	stretches []stretch
	needs     map[partition.ID]*need
}

// need is what one partition needs of the log.
type need struct {
	spans   []span         // by sequence, without gaps, not empty
	entries []*entry.Entry // those of the spans, one after another
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

func newRetention() *retention { return &retention{needs: map[partition.ID]*need{}} }

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
func (r *retention) add(id partition.ID, e *entry.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.needs[id]
	if n == nil {
		n = &need{}
		r.needs[id] = n
	}
	r.held.Add(heldCost(e) - n.truncate(e.Sequence))
	current := r.stretches[len(r.stretches)-1].first
	if last := len(n.spans) - 1; last >= 0 && n.spans[last].stretch == current {
		n.spans[last].max = e.Sequence
	} else {
		n.spans = append(n.spans, span{stretch: current, min: e.Sequence, max: e.Sequence})
	}
	n.entries = append(n.entries, e)
}

// truncate drops everything from the sequence on, and returns what that held.
func (n *need) truncate(sequence uint64) (freed int64) {
	for len(n.spans) > 0 {
		last := &n.spans[len(n.spans)-1]
		if last.min < sequence {
			last.max = min(last.max, sequence-1)
			break
		}
		n.spans = n.spans[:len(n.spans)-1]
	}
	for len(n.entries) > 0 && n.entries[len(n.entries)-1].Sequence >= sequence {
		freed += heldCost(n.entries[len(n.entries)-1])
		n.entries[len(n.entries)-1] = nil
		n.entries = n.entries[:len(n.entries)-1]
	}
	return freed
}

// forget drops what was noted of a partition: its log is void.
func (r *retention) forget(id partition.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropLocked(id)
}

// dropLocked drops all that a partition needs. Caller holds mu.
func (r *retention) dropLocked(id partition.ID) {
	if n := r.needs[id]; n != nil {
		r.held.Add(-n.truncate(0))
		delete(r.needs, id)
	}
}

// flushed notes that the partition's file has everything up to the sequence.
func (r *retention) flushed(id partition.ID, sequence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.needs[id]
	if n == nil {
		return
	}
	for len(n.spans) > 0 && n.spans[0].max <= sequence {
		n.spans = n.spans[1:]
	}
	if len(n.spans) == 0 {
		r.dropLocked(id)
		return
	}
	n.spans[0].min = max(n.spans[0].min, sequence+1)
	done := 0
	for done < len(n.entries) && n.entries[done].Sequence <= sequence {
		r.held.Add(-heldCost(n.entries[done]))
		done++
	}
	n.entries = append([]*entry.Entry(nil), n.entries[done:]...)
}

// pending returns the partition's entries that are in no file, and their size
// in bytes.
func (r *retention) pending(id partition.ID) (entries []*entry.Entry, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.needs[id]; n != nil {
		entries = append(entries, n.entries...)
	}
	for _, e := range entries {
		bytes += int64(e.Size())
	}
	return entries, bytes
}

// needed returns the index of the first batch that must stay.
func (r *retention) needed() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.stretches) == 0 {
		return 0
	}
	first := r.stretches[len(r.stretches)-1].first
	for _, n := range r.needs {
		first = min(first, n.spans[0].stretch)
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
	for id, n := range r.needs {
		if n.spans[0].stretch == first {
			needy[id] = n.spans[0].min
		}
	}
	return first, needy
}

// newest returns the index of the first batch of the last stretch.
func (r *retention) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stretches[len(r.stretches)-1].first
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

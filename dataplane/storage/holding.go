package storage

import (
	"sync/atomic"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// heldOverhead is what an entry takes in memory beside its key and value: itself,
// its places in the log's window, in what retention notes and in a table.
// (1 million of 110 bytes, all of that included: 300 bytes each.)
const heldOverhead = 190

func heldCost(e *entry.Entry) int64 { return int64(len(e.Key) + len(e.Value) + heldOverhead) }

// holding tells when so much is held in memory that writes should be refused. A
// flusher that keeps up holds it at the limit that it flushes for; one that does
// not is to get its breath back, so the way down is longer than that up.
type holding struct {
	most, least int64
	full        atomic.Bool
}

// burst is what may come in addition, at least: with small limits one burst of
// large values would pass them.
const burst = 64 << 20

// set sets it up for a limit that flushing is meant to keep.
func (h *holding) set(limit int64) {
	h.most, h.least = limit+max(limit/2, burst), limit+max(limit/4, burst/2)
}

// look takes how many bytes are held now. Safe for any goroutine.
func (h *holding) look(held int64) bool {
	full := h.full.Load()
	if full && held < h.least || !full && held > h.most {
		full = !full
		h.full.Store(full)
	}
	return full
}

package storage

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Table is a partition's applied state: what was applied lately in memory, the
// rest in the partition's file. One goroutine may apply while many read.
// It implements replica.State.
type Table struct {
	id         partition.ID
	generation uint64
	total      *atomic.Int64 // bytes in memory of all tables of the engine
	damaged    func(partition.ID, error)

	mu sync.RWMutex
	// active has the latest entry of each key changed since the last flush
	// began; frozen those that the flush under way is writing, and is not
	// changed. Keys and values are the entries' own.
	active, frozen map[string]*entry.Entry
	bytes          int64 // of active
	frozenBytes    int64
	applied        entry.Position
	flushed        entry.Position
	logged         entry.LoggedTime // of the last entry applied
	hash           uint64
	requests       requests
	keyed          keyedResults // since the last flush began
	frozenKeyed    keyedResults
	endings        endings
	frozenEndings  endings
	inFile         fileEndings
	file           *file // nil until the first flush
	gone           bool  // dropped or replaced: counts in no total
}

func newTable(id partition.ID, generation uint64, total *atomic.Int64, damaged func(partition.ID, error)) *Table {
	return &Table{
		id: id, generation: generation, total: total, damaged: damaged,
		active: map[string]*entry.Entry{}, requests: newRequests(),
	}
}

// tableOverhead is what an entry costs in a table beside its key and value.
const tableOverhead = 160

func tableCost(e *entry.Entry) int64 { return int64(len(e.Key) + len(e.Value) + tableOverhead) }

// sharedKey is the entry's key as a string without a copy: entries are immutable.
func sharedKey(e *entry.Entry) string { return unsafe.String(unsafe.SliceData(e.Key), len(e.Key)) }

// find returns the latest entry of the key in memory, and the file to look in
// if there is none.
func (t *Table) find(key []byte) (*entry.Entry, *file) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.active[string(key)]; e != nil {
		return e, nil
	}
	if e := t.frozen[string(key)]; e != nil {
		return e, nil
	}
	return nil, t.file
}

// Lookup returns the version of a key's value; false if there is none.
func (t *Table) Lookup(key []byte) (entry.Version, bool, error) {
	e, f := t.find(key)
	if e != nil {
		return entry.Version{Sequence: e.Sequence, Expires: e.Expires}, e.Kind == entry.Put, nil
	}
	if f == nil {
		return entry.Version{}, false, nil
	}
	version, found, err := f.lookup(key)
	return version, found, t.check("look up", err)
}

// Get returns the value too. The value must not be written to.
func (t *Table) Get(key []byte) ([]byte, entry.Version, bool, error) {
	e, f := t.find(key)
	if e != nil {
		return e.Value, entry.Version{Sequence: e.Sequence, Expires: e.Expires}, e.Kind == entry.Put, nil
	}
	if f == nil {
		return nil, entry.Version{}, false, nil
	}
	value, version, found, err := f.get(key)
	return value, version, found, t.check("read", err)
}

// inUse returns the table's file, nil if it has none or is out of service.
func (t *Table) inUse() *file {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.gone {
		return nil
	}
	return t.file
}

// check reports damage, and names what was done in the error.
func (t *Table) check(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s in %s: %w", what, t.id, err)
	if isDamage(err) {
		t.damaged(t.id, err)
	}
	return err
}

// Request tells what an applied request answered, or that its ID lies below the
// lowest open counter of its origin.
func (t *Table) Request(id entry.RequestID) (result entry.Result, applied, forgotten bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.requests.lookup(id)
}

// Applied returns the position of the last entry applied, and the rolling hash
// of all entries up to it: the same on every replica.
func (t *Table) Applied() (at entry.Position, hash uint64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.applied, t.hash
}

// Hash implements replica.State.
func (t *Table) Hash() uint64 {
	_, hash := t.Applied()
	return hash
}

// Logged returns the logged time of the last entry applied.
func (t *Table) Logged() entry.LoggedTime {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.logged
}

// Apply applies committed entries, in order, without gaps. They are readable
// when it returns. It panics on a gap: the caller has lost count, and what it
// would do next can only make it worse.
func (t *Table) Apply(entries []*entry.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var grown int64
	for _, e := range entries {
		if e.Sequence != t.applied.Sequence+1 {
			panic(fmt.Sprintf("storage: %s: entry %d applied after %d", t.id, e.Sequence, t.applied.Sequence))
		}
		t.applied, t.logged = e.Position, max(t.logged, e.Logged)
		t.hash = nextHash(t.hash, e)
		t.requests.apply(e)
		grown += t.rememberKeyed(e)
		if e.Kind == entry.Marker {
			continue
		}
		if old := t.active[string(e.Key)]; old != nil {
			grown -= tableCost(old)
		}
		// Assigning replaces the map's own key too (the runtime does so for
		// strings), so the table keeps no memory of the entry before.
		t.active[sharedKey(e)] = e
		grown += tableCost(e)
		if e.Expires != 0 {
			heap.Push(&t.endings, e)
		}
	}
	t.bytes += grown
	if !t.gone {
		t.total.Add(grown)
	}
}

// nextHash extends a partition's rolling hash by an entry.
func nextHash(hash uint64, e *entry.Entry) uint64 {
	var b [128]byte
	binary.LittleEndian.PutUint64(b[0:], hash)
	binary.LittleEndian.PutUint64(b[8:], e.Sequence)
	binary.LittleEndian.PutUint64(b[16:], uint64(e.Epoch))
	binary.LittleEndian.PutUint64(b[24:], uint64(e.Request.Origin))
	binary.LittleEndian.PutUint64(b[32:], e.Request.Boot)
	binary.LittleEndian.PutUint64(b[40:], e.Request.Counter)
	binary.LittleEndian.PutUint64(b[48:], e.LowestOpen)
	binary.LittleEndian.PutUint64(b[56:], xxhash.Sum64(e.Key))
	binary.LittleEndian.PutUint64(b[64:], xxhash.Sum64(e.Value))
	b[72] = byte(e.Kind)
	binary.LittleEndian.PutUint64(b[120:], uint64(e.Request.Start))
	if e.Existed {
		b[73] = 1
	}
	binary.LittleEndian.PutUint64(b[80:], uint64(e.Logged))
	binary.LittleEndian.PutUint64(b[88:], uint64(e.Expires))
	if i := e.Idempotency; i != nil {
		b[74] = 1
		copy(b[96:], i.ID[:])
		binary.LittleEndian.PutUint64(b[112:], binary.LittleEndian.Uint64(i.Fingerprint[:]))
	}
	return xxhash.Sum64(b[:])
}

// freeze begins a flush: what it returns is the table's state as of now, and
// what is applied from now on is for the next flush. If force is not set and
// there is nothing to flush, it returns false; also after a flush that failed,
// whose content stays frozen, and readable, until the process ends.
func (t *Table) freeze(force bool) (change, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if makes := force && t.file == nil; t.gone || t.frozen != nil || t.applied == t.flushed && !makes {
		return change{}, false
	}
	t.frozen, t.active = t.active, map[string]*entry.Entry{}
	t.frozenBytes, t.bytes = t.bytes, 0
	t.frozenKeyed, t.keyed = t.keyed, nil
	t.frozenEndings, t.endings = t.endings, nil
	return change{
		meta:     fileMeta{partition: t.id, generation: t.generation, applied: t.applied, logged: t.logged, hash: t.hash},
		entries:  t.frozen,
		requests: t.requests.takeDirty(),
		keyed:    t.frozenKeyed,
	}, true
}

// thaw ends a flush that has reached the disk. It reports whether the table was
// retired meanwhile: then the file, if the flush made it, is the caller's.
func (t *Table) thaw(f *file, c *change) (gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.file, t.flushed = f, c.meta.applied
	t.inFile = fileEndings{round: t.inFile.round + 1, next: c.nextExpiry}
	t.frozenKeyed, t.frozenEndings = nil, nil
	if !t.gone {
		t.total.Add(-t.frozenBytes)
	}
	t.frozen, t.frozenBytes = nil, 0
	return t.gone
}

// size returns the bytes that a flush would free, and whether one would gain
// anything at all: not while another is under way, or has failed.
func (t *Table) size() (bytes int64, unflushed bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bytes, t.applied != t.flushed && t.frozen == nil
}

// retire takes the table out of service, and returns its file, if it has one,
// for closing. What is in memory stays readable for those who hold it.
func (t *Table) retire() *file {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.gone {
		t.gone = true
		t.total.Add(-t.bytes - t.frozenBytes)
	}
	return t.file
}

// load makes the table that of a file, whose meta record is given.
func (t *Table) load(f *file, m *fileMeta) (err error) {
	t.applied, t.flushed, t.logged, t.hash, t.file = m.applied, m.applied, m.logged, m.hash, f
	if t.requests, err = f.loadRequests(); err != nil {
		return err
	}
	t.inFile.next, err = f.nextExpiry()
	return err
}

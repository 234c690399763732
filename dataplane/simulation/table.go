package simulation

import (
	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// table is a model of a partition's applied state: what storage keeps in its
// memory table and bbolt.
type table struct {
	w       *world
	owner   *process // nil for a frozen copy on disk
	id      partition.ID
	lineage uint32
	applied entry.Position
	logged  entry.LoggedTime
	values  []stored
	origins []origin
	keyed   []keyed
	hash    uint64 // of all entries applied, in order
}

type stored struct {
	key      string
	value    []byte
	sequence uint64
	expires  entry.LoggedTime
}

func (v *stored) version() entry.Version {
	return entry.Version{Sequence: v.sequence, Expires: v.expires}
}

// keyed is what a request with an Idempotency-Key left behind.
type keyed struct {
	id entry.IdempotencyID
	entry.Remembered
}

// remember is how long these are kept here: short enough for a schedule to see
// them forgotten.
const remember entry.LoggedTime = 6000

// origin holds the results of one boot's requests, above its lowest open one.
type origin struct {
	store   partition.StoreID
	boot    uint64
	start   partition.StartID
	lowest  uint64
	results []remembered
}

type remembered struct {
	counter uint64
	result  entry.Result
}

var _ replica.State = (*table)(nil)

// Hash implements replica.State.
func (t *table) Hash() uint64 { return t.hash ^ t.owner.n.disk.copies[t.id].twist }

// clone copies the table for another owner, or none.
func (t *table) clone(owner *process) *table {
	c := *t
	c.owner = owner
	c.values = append([]stored(nil), t.values...)
	c.keyed = append([]keyed(nil), t.keyed...)
	c.origins = append([]origin(nil), t.origins...)
	for i := range c.origins {
		c.origins[i].results = append([]remembered(nil), c.origins[i].results...)
	}
	return &c
}

func (t *table) find(key []byte) *stored {
	for i := range t.values {
		if t.values[i].key == string(key) {
			return &t.values[i]
		}
	}
	return nil
}

// Lookup implements replica.State.
func (t *table) Lookup(key []byte) (entry.Version, bool, error) {
	if v := t.find(key); v != nil {
		return v.version(), true, nil
	}
	return entry.Version{}, false, nil
}

// Get implements replica.State.
func (t *table) Get(key []byte) ([]byte, entry.Version, bool, error) {
	if v := t.find(key); v != nil {
		return v.value, v.version(), true, nil
	}
	return nil, entry.Version{}, false, nil
}

// NextExpiry implements replica.State.
func (t *table) NextExpiry() (next entry.LoggedTime) {
	for i := range t.values {
		if e := t.values[i].expires; e != 0 && (next == 0 || e < next) {
			next = e
		}
	}
	return next
}

// Expired implements replica.State.
func (t *table) Expired(by entry.LoggedTime, most int) (keys [][]byte, err error) {
	for i := range t.values {
		if e := t.values[i].expires; e != 0 && e <= by && len(keys) < most {
			keys = append(keys, []byte(t.values[i].key))
		}
	}
	return keys, nil
}

// Remembered implements replica.State.
func (t *table) Remembered(id entry.IdempotencyID) (entry.Remembered, bool, error) {
	for i := len(t.keyed) - 1; i >= 0; i-- {
		if t.keyed[i].id == id {
			return t.keyed[i].Remembered, t.keyed[i].Logged+remember > t.logged, nil
		}
	}
	return entry.Remembered{}, false, nil
}

// Request implements replica.State.
func (t *table) Request(id entry.RequestID) (result entry.Result, applied, forgotten bool) {
	o := t.origin(id, false)
	if o == nil {
		return entry.Result{}, false, false
	}
	if id.Counter < o.lowest {
		return entry.Result{}, false, true
	}
	for _, r := range o.results {
		if r.counter == id.Counter {
			return r.result, true, false
		}
	}
	return entry.Result{}, false, false
}

func (t *table) origin(id entry.RequestID, create bool) *origin {
	for i := range t.origins {
		if t.origins[i].store == id.Origin && t.origins[i].boot == id.Boot && t.origins[i].start == id.Start {
			return &t.origins[i]
		}
	}
	if !create {
		return nil
	}
	t.origins = append(t.origins, origin{store: id.Origin, boot: id.Boot, start: id.Start})
	return &t.origins[len(t.origins)-1]
}

// Apply implements replica.State, and shows the entries to the checker: what
// is applied anywhere is committed.
func (t *table) Apply(entries []*entry.Entry) {
	for _, e := range entries {
		if e.Sequence != t.applied.Sequence+1 {
			t.w.fail("%s applies sequence %d of %s after %d", t.owner.n.id, e.Sequence, t.id, t.applied.Sequence)
			return
		}
		t.apply(e)
		t.w.truth[t.id].applied(t, e)
	}
}

func (t *table) apply(e *entry.Entry) {
	t.applied, t.logged = e.Position, max(t.logged, e.Logged)
	if e.Idempotency != nil {
		t.keyed = append(t.keyed, keyed{e.Idempotency.ID, entry.Remembered{
			Fingerprint: e.Idempotency.Fingerprint, Logged: e.Logged, Result: entry.Result{Sequence: e.Sequence, Existed: e.Existed},
		}})
	}
	t.hash = mixEntry(t.hash, e)
	switch v := t.find(e.Key); {
	case e.Kind == entry.Put && v != nil:
		v.value, v.sequence, v.expires = e.Value, e.Sequence, e.Expires
	case e.Kind == entry.Put:
		t.values = append(t.values, stored{key: string(e.Key), value: e.Value, sequence: e.Sequence, expires: e.Expires})
	case e.Kind == entry.Delete && v != nil:
		last := len(t.values) - 1
		*v = t.values[last]
		t.values = t.values[:last]
	}
	if e.Request.IsZero() {
		return
	}
	o := t.origin(e.Request, true)
	if e.LowestOpen > o.lowest {
		o.lowest = e.LowestOpen
		kept := o.results[:0]
		for _, r := range o.results {
			if r.counter >= o.lowest {
				kept = append(kept, r)
			}
		}
		o.results = kept
	}
	if e.Request.Counter >= o.lowest {
		o.results = append(o.results, remembered{e.Request.Counter, entry.Result{Sequence: e.Sequence, Existed: e.Existed}})
	}
}

func mixEntry(hash uint64, e *entry.Entry) uint64 {
	t := trace{hash: hash}
	existed := uint64(0)
	if e.Existed {
		existed = 1
	}
	t.mix(e.Sequence, uint64(e.Epoch), uint64(e.Kind), existed, e.LowestOpen, uint64(e.Logged), uint64(e.Expires))
	t.mix(uint64(e.Request.Origin), e.Request.Boot, uint64(e.Request.Start), e.Request.Counter)
	if i := e.Idempotency; i != nil {
		t.mixBytes(i.ID[:])
		t.mixBytes(i.Fingerprint[:])
	}
	t.mixBytes(e.Key)
	t.mixBytes(e.Value)
	return t.hash
}

package storage

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// model is what one partition must hold, whatever happens to the directory.
type model struct {
	values  map[string]*entry.Entry
	pending []*entry.Entry // synced, not applied
	applied entry.Position
	epoch   partition.Epoch
	table   *Table
	logged  entry.LoggedTime // of the newest entry
	at      entry.LoggedTime // of applied
	keyed   map[entry.IdempotencyID]entry.Remembered
}

// TestModel does random things to two partitions, crashes between them, and
// compares with maps after each.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &machine{t: t, o: small(dir), models: map[partition.ID]*model{}}
		m.o.LogRetention = 32 << 10 // so that the log is cut often
		m.o.MemoryTable = 1 << 40
		m.open(rt)
		defer func() {
			if err := m.e.Close(); err != nil {
				rt.Error(err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"replace": m.replace,
			"apply":   m.apply,
			"flush":   func(rt *rapid.T) { m.must(rt, m.e.flush(m.some(rt), rapid.Bool().Draw(rt, "force"))) },
			"drop":    m.drop,
			"copy":    m.copy,
			"restart": m.restart,
			"crash":   m.crash,
			"expired": m.expired,
			"":        m.check,
		})
	})
}

type machine struct {
	t      *testing.T
	o      Options
	e      *Engine
	models map[partition.ID]*model
}

func (m *machine) must(rt *rapid.T, err error) {
	if err != nil && !errors.Is(err, ErrNoCopy) {
		rt.Fatal(err)
	}
}

func (m *machine) some(rt *rapid.T) partition.ID {
	return partition.ID(rapid.IntRange(1, 2).Draw(rt, "partition"))
}

// partition returns one of the partitions, opened if need be.
func (m *machine) partition(rt *rapid.T) (partition.ID, *model) {
	id := m.some(rt)
	p := m.models[id]
	if p == nil {
		p = &model{
			values: map[string]*entry.Entry{}, epoch: 1, table: m.e.OpenPartition(id, lineage),
			keyed: map[entry.IdempotencyID]entry.Remembered{},
		}
		m.models[id] = p
		m.sync(nil)
	}
	return id, p
}

func (m *machine) sync(records []entry.Record) {
	done := make(chan struct{})
	m.e.Append(records, func() { close(done) })
	<-done
}

func (m *machine) append(rt *rapid.T) {
	id, p := m.partition(rt)
	n := rapid.IntRange(1, 20).Draw(rt, "entries")
	size := rapid.SampledFrom([]int{0, 1, 100, 2000}).Draw(rt, "size")
	var batch []*entry.Entry
	for range n {
		e := put(p.applied.Sequence+uint64(len(p.pending)+len(batch))+1, fmt.Sprintf("key-%d", rapid.IntRange(0, 9).Draw(rt, "key")), "")
		e.Epoch = p.epoch
		switch rapid.IntRange(0, 5).Draw(rt, "kind") {
		case 0:
			e.Kind = entry.Delete
		case 1:
			e = &entry.Entry{Position: e.Position, Kind: entry.Marker}
		default:
			e.Value = fmt.Appendf(nil, "%0*d", size, e.Sequence)
			if rapid.Bool().Draw(rt, "ttl") {
				e.Expires = p.logged + entry.LoggedTime(rapid.IntRange(1, 1000).Draw(rt, "expires"))
			}
		}
		p.logged += entry.LoggedTime(rapid.SampledFrom([]int{0, 1, 200, 100_000}).Draw(rt, "time"))
		e.Logged = p.logged
		if e.Kind != entry.Marker && rapid.IntRange(0, 3).Draw(rt, "keyed") == 0 {
			e.Idempotency = &entry.Idempotency{ID: entry.IdempotencyID{byte(rapid.IntRange(0, 4).Draw(rt, "ID"))}, Fingerprint: entry.Fingerprint{byte(e.Sequence)}}
		}
		batch = append(batch, e)
	}
	m.sync(records(id, batch...))
	p.pending = append(p.pending, batch...)
}

// replace writes over entries that are not applied, in a later epoch.
func (m *machine) replace(rt *rapid.T) {
	_, p := m.partition(rt)
	if len(p.pending) == 0 {
		return
	}
	p.epoch++
	p.pending = p.pending[:rapid.IntRange(0, len(p.pending)-1).Draw(rt, "keep")]
	id := p.table.id
	e := inEpoch(p.epoch, put(p.applied.Sequence+uint64(len(p.pending))+1, "key-0", "replaced"))
	m.sync(append(records(id, e), entry.Record{Partition: id, Lineage: lineage, Adopted: p.epoch}))
	p.pending = append(p.pending, e)
}

func (m *machine) apply(rt *rapid.T) {
	_, p := m.partition(rt)
	if len(p.pending) == 0 {
		return
	}
	n := rapid.IntRange(1, len(p.pending)).Draw(rt, "entries")
	p.table.Apply(p.pending[:n])
	for _, e := range p.pending[:n] {
		p.applied, p.at = e.Position, max(p.at, e.Logged)
		if e.Idempotency != nil {
			p.keyed[e.Idempotency.ID] = entry.Remembered{
				Fingerprint: e.Idempotency.Fingerprint, Logged: e.Logged, Result: entry.Result{Sequence: e.Sequence, Existed: e.Existed},
			}
		}
		switch e.Kind {
		case entry.Put:
			p.values[string(e.Key)] = e
		case entry.Delete:
			delete(p.values, string(e.Key))
		}
	}
	p.pending = p.pending[n:]
}

// expired finds every value that has an end, once after each flush.
func (m *machine) expired(rt *rapid.T) {
	id, p := m.partition(rt)
	if _, unflushed := p.table.size(); unflushed && rapid.Bool().Draw(rt, "flush") {
		m.must(rt, m.e.flush(id, true))
	} else {
		m.restart(rt)
	}
	const ever = 1 << 60
	found := map[string]bool{}
	for {
		keys, err := p.table.Expired(ever, rapid.IntRange(1, 4).Draw(rt, "most"))
		m.must(rt, err)
		for _, k := range keys {
			if found[string(k)] {
				rt.Fatalf("%s is found twice", k)
			}
			found[string(k)] = true
		}
		if len(keys) == 0 && p.table.NextExpiry() == 0 {
			break
		}
	}
	for k, e := range p.values {
		if found[k] != (e.Expires != 0) {
			rt.Fatalf("%s: found %v, expires %d", k, found[k], e.Expires)
		}
	}
}

func (m *machine) drop(rt *rapid.T) {
	id := m.some(rt)
	m.must(rt, m.e.Drop(id))
	delete(m.models, id)
}

// copy puts a snapshot of one partition in place of itself.
func (m *machine) copy(rt *rapid.T) {
	id, p := m.partition(rt)
	s, err := m.e.Snapshot(id)
	m.must(rt, err)
	r, err := m.e.Receive(id, s.Lineage, s.Applied)
	m.must(rt, err)
	for {
		chunk, err := s.Next()
		if err != nil {
			break
		}
		m.must(rt, r.Write(chunk))
	}
	m.must(rt, s.Close())
	p.table, err = r.Commit()
	m.must(rt, err)
	p.pending = nil // the log before it is void
}

func (m *machine) restart(rt *rapid.T) {
	m.must(rt, m.e.Close())
	m.open(rt)
}

func (m *machine) crash(rt *rapid.T) {
	m.e.flusher.stop() // an image is of one moment
	m.sync(nil)
	next := image(m.t, m.o.Dir)
	m.must(rt, m.e.Close())
	m.o.Dir = next
	m.open(rt)
}

// sums checks that every file is what flushes and snapshots took it for.
func (m *machine) sums(rt *rapid.T) {
	for _, id := range m.e.copiesHere() {
		_, t, err := m.e.current(id)
		m.must(rt, err)
		if f := t.inUse(); f != nil {
			m.must(rt, scrubFault(f, id, t.generation))
		}
	}
}

func (m *machine) open(rt *rapid.T) {
	var err error
	m.o.Failed = func(err error) { m.t.Errorf("storage failed: %v", err) }
	if m.e, err = Open(m.o); err != nil {
		rt.Fatal(err)
	}
	if lost := m.e.Lost(); len(lost) > 0 {
		rt.Fatalf("lost %v", lost)
	}
	m.sums(rt)
	recovered := m.e.Recovered()
	if len(recovered) != len(m.models) {
		rt.Fatalf("%d copies, want %d", len(recovered), len(m.models))
	}
	for _, r := range recovered {
		p := m.models[r.Partition]
		at := r.Applied.Sequence
		if end := p.applied.Sequence + uint64(len(p.pending)); at > p.applied.Sequence || at+uint64(len(r.Log)) != end {
			rt.Fatalf("%s: applied %d, log %v; want up to %d", r.Partition, at, sequences(r.Log), end)
		}
		for i, e := range r.Log {
			if i := int(e.Sequence - p.applied.Sequence - 1); e.Sequence > p.applied.Sequence && e.Epoch != p.pending[i].Epoch {
				rt.Fatalf("%s: entry %d has epoch %d, want %d", r.Partition, e.Sequence, e.Epoch, p.pending[i].Epoch)
			}
			if e.Sequence != at+uint64(i)+1 {
				rt.Fatalf("%s: log %v after %d", r.Partition, sequences(r.Log), at)
			}
		}
		p.table = r.State
		p.table.Apply(r.Log[:p.applied.Sequence-at])
	}
}

func (m *machine) check(rt *rapid.T) {
	for id, p := range m.models {
		if at, _ := p.table.Applied(); at != p.applied {
			rt.Fatalf("%s applied %v, want %v", id, at, p.applied)
		}
		for id, want := range p.keyed {
			got, ok, err := p.table.Remembered(id)
			if kept := want.Logged+entry.Remember > p.at; err != nil || ok != kept || ok && got != want {
				rt.Fatalf("remembered of %x: %+v %v %v, want %+v", id, got, ok, err, want)
			}
		}
		for i := range 10 {
			key := fmt.Sprintf("key-%d", i)
			want := p.values[key]
			value, v, ok, err := p.table.Get([]byte(key))
			if err != nil || ok != (want != nil) || ok && (v.Sequence != want.Sequence || v.Expires != want.Expires || string(value) != string(want.Value)) {
				rt.Fatalf("%s %s: %q %d %v %v, want %v", id, key, value, v.Sequence, ok, err, want)
			}
		}
	}
}

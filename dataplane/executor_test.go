package dataplane

import (
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/gateway"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// memoryState is a partition's state in a map.
type memoryState map[string]*entry.Entry

func (s memoryState) Lookup(key []byte) (entry.Version, bool, error) {
	_, v, ok, err := s.Get(key)
	return v, ok, err
}

func (s memoryState) Get(key []byte) ([]byte, entry.Version, bool, error) {
	e := s[string(key)]
	if e == nil {
		return nil, entry.Version{}, false, nil
	}
	return e.Value, entry.Version{Sequence: e.Sequence}, true, nil
}

func (s memoryState) Request(entry.RequestID) (entry.Result, bool, bool) {
	return entry.Result{}, false, false
}

func (s memoryState) Remembered(entry.IdempotencyID) (entry.Remembered, bool, error) {
	return entry.Remembered{}, false, nil
}

func (s memoryState) NextExpiry() entry.LoggedTime { return 0 }

func (s memoryState) Expired(entry.LoggedTime, int) ([][]byte, error) { return nil, nil }

func (memoryState) Hash() uint64 { return 0 }

func (s memoryState) Apply(entries []*entry.Entry) {
	for _, e := range entries {
		switch e.Kind {
		case entry.Put:
			s[string(e.Key)] = e
		case entry.Delete:
			delete(s, string(e.Key))
		}
	}
}

// disk holds back what is written until the test says it is synced.
type disk struct {
	mu      sync.Mutex
	waiting []func()
	records int
}

func (d *disk) write(records []entry.Record, done func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records += len(records)
	d.waiting = append(d.waiting, done)
}

func (d *disk) sync() (n int) {
	d.mu.Lock()
	waiting := d.waiting
	d.waiting = nil
	d.mu.Unlock()
	for _, done := range waiting {
		done()
	}
	return len(waiting)
}

// alone is an executor of a node that is the only replica of every partition.
func alone(t testing.TB, limit int64, d *disk) (e *executor, stop func()) {
	t.Helper()
	p := &peers{joined: &membership{}}
	e = newExecutor(limit, &outlet{
		write: d.write, peers: p, metrics: newMetrics(&registration{to: prometheus.NewRegistry()}),
		propose: func(partition.Change) {}, snapshots: func(replica.SnapshotOrder) {}, frames: map[partition.NodeID]*frames{},
		silent: func() bool { return false },
	})
	self := peerOf("n1", 11, 1)
	m := &partition.Map{
		Version: 1, Settings: partition.Settings{Partitions: 16, ReplicationFactor: 1, MinInSync: 1},
		Nodes: []partition.Node{{ID: self.Node, Store: self.Store, Incarnation: self.Start.Incarnation, StartID: self.Start.ID}},
	}
	for id := range partition.ID(16) {
		m.Partitions = append(m.Partitions, partition.Configuration{
			ID: id, Epoch: 1, Lineage: 1, Primary: "n1", Replicas: []partition.Replica{{Node: "n1", Store: 11}},
		})
	}
	for i := range Lanes {
		e.lanes[i] = &lane{number: i, group: replica.NewGroup(replica.Config{
			Self: self, MinInSync: 1, ReplicationFactor: 1, Timings: replica.DefaultTimings(), Booted: now(),
			Owns:    func(id partition.ID) bool { return laneOf(id) == i },
			Open:    func(partition.ID, uint32) replica.State { return memoryState{} },
			Publish: func(partition.ID, *replica.View) {},
		})}
	}
	e.inbox.event(func(e *executor, t replica.Time) { e.each(func(g *replica.Group) { g.SetMap(t, m) }) })
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { e.run(quit) })
	return e, sync.OnceFunc(func() {
		close(quit)
		running.Wait()
	})
}

// ended is what became of an operation.
type ended struct {
	answer replica.Answer
	sent   gateway.Sent
}

func offerPut(e *executor, id partition.ID, counter uint64, value []byte) <-chan ended {
	end := make(chan ended, 1)
	e.offer(replica.Operation{
		Action: replica.Put, Partition: id, Epoch: 1, Key: []byte("k"), Value: value,
		Request: entry.RequestID{Origin: 11, Boot: 1, Counter: counter}, LowestOpen: 1, Deadline: now().Add(time.Minute),
	}, &pending{done: func(a replica.Answer, s gateway.Sent) { end <- ended{a, s} }})
	return end
}

func TestExecutorAnswersAfterTheDisk(t *testing.T) {
	t.Parallel()
	var d disk
	e, stop := alone(t, 1<<20, &d)
	defer stop()
	var ends []<-chan ended
	for id := range partition.ID(16) {
		ends = append(ends, offerPut(e, id, uint64(id)+1, []byte("v")))
	}
	done := make(chan struct{})
	var syncing sync.WaitGroup
	syncing.Go(func() {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-done:
				return
			case <-pace.C:
				d.sync()
			}
		}
	})
	for id, end := range ends {
		if got := <-end; got.sent != gateway.Certain || got.answer.Outcome != replica.Done || got.answer.Partition != partition.ID(id) {
			t.Errorf("%v: %+v", partition.ID(id), got)
		}
	}
	close(done)
	syncing.Wait()
	if waiting := e.waiting.Load(); waiting != 0 {
		t.Errorf("%d bytes are held for operations that were answered", waiting)
	}
}

func TestExecutorRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	var d disk // never syncs: nothing is answered
	e, stop := alone(t, 10_000, &d)
	defer stop()
	first := offerPut(e, 0, 1, make([]byte, 6_000))
	second := offerPut(e, 0, 2, make([]byte, 6_000))
	if got := <-second; got.sent != gateway.Certain || got.answer.Outcome != replica.Overloaded || got.answer.Epoch != 0 {
		t.Errorf("one too many: %+v, want it refused, in no epoch", got)
	}
	stop()
	if got := <-first; got.sent == gateway.Certain {
		t.Errorf("answered without the disk: %+v", got)
	}
	if got := <-offerPut(e, 0, 3, nil); got.sent != gateway.NeverSent {
		t.Errorf("after the end: %+v, want it certainly not sent", got)
	}
}

func TestExecutorPublishesWhatItServes(t *testing.T) {
	t.Parallel()
	var d disk
	e, stop := alone(t, 1<<20, &d)
	defer stop()
	eventually(t, "all partitions served", func() bool {
		d.sync()
		s := e.summary.Load()
		return s.serving == 16 && s.notServing == 0
	})
}

package storage

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// logWriter is the only writer of the log. It takes everything that has been
// appended since its last commit, writes it as one batch with one fsync, and
// reports. Appending never waits for the disk.
type logWriter struct {
	log       *sharedLog
	catalogue *catalogue
	retention *retention
	metrics   *metrics
	failed    func(error)
	stretch   int64 // bytes after which a new stretch of the log begins

	durable atomic.Uint64 // index of the last batch that is synced
	quieted atomic.Uint64 // index of the last batch that says nothing
	said    bool          // whether the batch being gathered says anything

	// For quiet alone: since when the last batch has been seen to be the last,
	// and behind which a quiet one was asked for.
	seen, asked uint64
	seenSince   time.Time

	mu      sync.Mutex
	wake    *sync.Cond
	queue   []appended
	since   time.Time // when the disk got what it is at; zero: nothing
	oldest  time.Time // when the oldest append came that is not synced
	closing bool

	buf     []byte
	records int
	grown   int64 // bytes in the current stretch
	started bool  // whether this boot has begun a stretch
	done    chan struct{}
}

// appended is what one call to append wants written.
type appended struct {
	records []entry.Record
	own     *record // or one of storage's own
	carry   bool    // or again all that own's partition needs of the log
	renew   bool    // own begins a stretch
	done    func()
	at      time.Time
}

func newLogWriter(log *sharedLog, c *catalogue, r *retention, m *metrics, stretch int64, failed func(error)) *logWriter {
	w := &logWriter{log: log, catalogue: c, retention: r, metrics: m, stretch: stretch, failed: failed, done: make(chan struct{})}
	w.wake = sync.NewCond(&w.mu)
	w.durable.Store(log.next - 1)
	return w
}

// append queues records; done is called once they are synced, in the order of
// the calls, on the writer's goroutine. It is never called after a failure or
// the writer's close.
func (w *logWriter) append(a appended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return
	}
	a.at = time.Now()
	if w.since.IsZero() {
		w.since, w.oldest = a.at, a.at
	}
	w.queue = append(w.queue, a)
	if len(w.queue) == 1 {
		w.wake.Signal()
	}
}

// barrier returns when all that was appended before is synced; false if it never
// will be.
func (w *logWriter) barrier() bool {
	done := make(chan struct{})
	w.append(appended{done: func() { close(done) }})
	return w.synced(done)
}

// synced waits for an append's done to close the channel; false if it never
// will.
func (w *logWriter) synced(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-w.done:
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// run writes until stop is called or a write fails. What was appended before
// stop is written.
func (w *logWriter) run() {
	defer close(w.done)
	var spare []appended
	for {
		w.mu.Lock()
		w.since = time.Time{}
		for len(w.queue) == 0 && !w.closing {
			w.wake.Wait()
		}
		if len(w.queue) > 0 {
			// A turn for those who are about to append: a sync for more of them
			// takes no longer. Where nobody is, it costs 0.1 us.
			w.mu.Unlock()
			runtime.Gosched()
			w.mu.Lock()
		}
		batch := w.queue
		w.queue = spare[:0]
		if len(batch) == 0 {
			w.mu.Unlock()
			return
		}
		w.since, w.oldest = time.Now(), batch[0].at
		w.mu.Unlock()
		if err := w.write(batch); err != nil {
			w.mu.Lock()
			w.closing = true
			w.mu.Unlock()
			w.failed(err)
			return
		}
		clear(batch)
		spare = batch
	}
}

// groupCommit is how many bytes are enough for one fsync: more take no less time
// a byte, and who waits for the first of them, waits for all.
const groupCommit = 8 << 20

// write writes everything, as one group commit unless that is larger than one
// should be, and reports each append once its last record is synced.
func (w *logWriter) write(batch []appended) error {
	reported := 0
	for i := range batch {
		for j := range batch[i].records {
			w.add(fromEntryRecord(&batch[i].records[j]))
			if len(w.buf) < groupCommit {
				continue
			}
			if err := w.commit(); err != nil {
				return err
			}
			report(batch[reported:i])
			reported = i
			w.mu.Lock()
			w.oldest = batch[i].at
			w.mu.Unlock()
		}
		if batch[i].renew {
			if err := w.commit(); err != nil {
				return err
			}
			w.started = false
		}
		if batch[i].carry {
			if err := w.carry(batch[i].own.partition); err != nil {
				return err
			}
		} else if own := batch[i].own; own != nil {
			w.add(*own)
		}
	}
	if err := w.commit(); err != nil {
		return err
	}
	report(batch[reported:])
	return nil
}

func report(synced []appended) {
	for i := range synced {
		if synced[i].done != nil {
			synced[i].done()
		}
	}
}

// commit writes and syncs what has been gathered.
func (w *logWriter) commit() error {
	if len(w.buf) == 0 {
		return nil
	}
	start := time.Now()
	w.mu.Lock()
	w.since = start
	w.mu.Unlock()
	index, err := w.log.write(w.buf)
	if err != nil {
		return err
	}
	w.durable.Store(index)
	if !w.said {
		w.quieted.Store(index)
	}
	w.said = false
	w.metrics.committed(w.records, len(w.buf), time.Since(start))
	w.grown = w.retention.grow(len(w.buf))
	w.metrics.logBytes.Set(float64(w.retention.bytes()))
	w.buf, w.records = w.buf[:0], 0
	return nil
}

// add encodes a record into the batch that is being gathered.
func (w *logWriter) add(r record) {
	if len(w.buf) == 0 {
		w.buf = appendBatchHeader(w.buf)
		if !w.started || w.grown >= w.stretch {
			w.started = true
			w.retention.begin(w.log.next)
			w.buf = appendRecord(w.buf, &record{kind: checkpointRecord, copies: w.catalogue.sorted()})
		}
	}
	w.buf = appendRecord(w.buf, &r)
	w.records++
	w.said = w.said || r.kind != quietRecord
	switch w.catalogue.apply(&r) {
	case addsEntry:
		w.retention.add(r.partition, r.entry)
	case voidsEntries:
		w.retention.forget(r.partition)
	}
}

// carry writes again what a partition needs of the log, so that what stands
// before need not stay for it. The first of the entries replaces the others, so
// they must all be in one batch.
func (w *logWriter) carry(id partition.ID) error {
	if err := w.commit(); err != nil {
		return err
	}
	facts, _ := w.catalogue.get(id)
	entries, _ := w.retention.pending(id)
	for _, e := range entries {
		w.add(record{kind: entryRecord, partition: id, lineage: facts.lineage, entry: e})
	}
	return nil
}

func fromEntryRecord(r *entry.Record) record {
	if r.Entry != nil {
		return record{kind: entryRecord, partition: r.Partition, lineage: r.Lineage, entry: r.Entry}
	}
	return record{kind: adoptedRecord, partition: r.Partition, lineage: r.Lineage, epoch: r.Adopted, configuration: r.Configuration}
}

// mayQueue is how long an append may wait behind others before it counts as
// pending. A replica that comes back gets more than its disk takes in a second,
// which is no sign of a disk that hangs; but one that lies seconds behind makes
// everybody's writes wait.
const mayQueue = 3 * time.Second

// pending tells how long the group commit under way has taken, or by how much the
// oldest append has waited longer than it may; zero if there is nothing to write.
func (w *logWriter) pending() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		return 0
	}
	return max(time.Since(w.since), time.Since(w.oldest)-mayQueue)
}

// queued tells for how long the oldest append has waited; zero if there is none.
func (w *logWriter) queued() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		return 0
	}
	return time.Since(w.oldest)
}

// quietAfter is how long nothing is written before a record says so.
const quietAfter = time.Second

// quiet writes a record that says nothing if nothing has been written for a
// while. It is called now and then, by one goroutine.
func (w *logWriter) quiet(now time.Time) {
	last := w.durable.Load()
	if last != w.seen {
		w.seen, w.seenSince = last, now
	}
	if last == 0 || last == w.quieted.Load() || last == w.asked || now.Sub(w.seenSince) < quietAfter {
		return
	}
	w.asked = last
	w.append(appended{own: &record{kind: quietRecord}})
}

// stop lets the writer end once its queue is empty, and waits for it.
func (w *logWriter) stop() {
	w.mu.Lock()
	w.closing = true
	w.wake.Signal()
	w.mu.Unlock()
	<-w.done
}

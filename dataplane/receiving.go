package dataplane

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// receiversAtOnce is how many snapshots a node takes in at a time.
const receiversAtOnce = 32

// receiving takes in the snapshots that primaries stream to learners here. Each
// has a goroutine, for writing blocks; its parts come one at a time.
type receiving struct {
	create func(id partition.ID, lineage uint32, applied entry.Position) (*storage.Receiver, error)
	// wants asks the partition's replica; begins also asks it, and from then on
	// keeps messages from it until installed or kept is called: what it has on
	// disk is about to be replaced. All answer through done, on any goroutine.
	wants     func(meta replica.SnapshotMeta, done func(bool))
	begins    func(meta replica.SnapshotMeta, done func(bool))
	installed func(meta replica.SnapshotMeta, table *storage.Table, done func())
	kept      func(meta replica.SnapshotMeta)
	count     func(outcome string)
	packer    *packer
	// partitions is how many the cluster has.
	partitions int

	streams sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[receivingKey]*receivedStream
	// newest is closed when the newest stream of a partition has ended.
	newest map[partition.ID]chan struct{}
}

// receivingKey names a stream by the boot that sends it: connections come and go.
type receivingKey struct {
	peer replica.Peer
	stream
}

// receivedStream is one snapshot that comes in.
type receivedStream struct {
	meta  replica.SnapshotMeta
	from  *session     // the connection that it comes on; guarded by mu of receiving
	bytes atomic.Int64 // of chunks
	taken uint64       // parts; its goroutine's own
	parts chan receivedPart
}

// partsWaiting is how many parts of a stream may wait: one from a connection that
// broke, and a resume from each after it.
const partsWaiting = 4

type receivedPart struct {
	kind  part
	body  []byte
	reply func([]byte)
}

// request takes a part. It runs on the connection's goroutine.
func (r *receiving) request(from *session, body []byte, reply func([]byte)) {
	kind, id, rest, err := decodePart(body)
	if err != nil {
		reply(partAnswer(err))
		return
	}
	key := receivingKey{peer: from.peer, stream: id}
	p := receivedPart{kind: kind, reply: reply}
	r.mu.Lock()
	defer r.mu.Unlock()
	if kind == partBegin {
		if err := r.begin(key, from, rest, p); err != nil {
			reply(partAnswer(err))
		}
		return
	}
	s := r.open[key]
	if s != nil && kind == partResume {
		if meta, err := decodeMeta(id, rest); err != nil || meta != s.meta {
			s = nil // not the same in all: to go on could mix two
		}
	}
	if s != nil && (kind == partResume || kind == partGivenUp) && from.number >= s.from.number {
		s.from = from // what the connection before still brings is late
	}
	if s == nil || s.from != from {
		reply(partAnswer(errNoStream))
		return
	}
	p.body = append([]byte(nil), rest...) // rest is valid during this call only
	select {
	case s.parts <- p:
	default:
		reply(partAnswer(fmt.Errorf("%w: a part before the answer to the last", errPartForm)))
	}
}

// begin starts a stream; an earlier one of the partition ends, and is waited
// for: it may be at replacing the copy. Caller holds mu.
func (r *receiving) begin(key receivingKey, from *session, body []byte, p receivedPart) error {
	meta, err := decodeMeta(key.stream, body)
	switch {
	case err != nil:
		return err
	case int(key.partition) >= r.partitions:
		return fmt.Errorf("%w: %v", errPartForm, key.partition)
	case r.closed:
		return errEndedHere
	}
	for other, s := range r.open {
		if other.partition == key.partition && s.supersedes(other.peer, key.peer, &meta) {
			return errUnwanted
		}
	}
	for other, s := range r.open {
		if other.partition == key.partition {
			r.end(other, s)
		}
	}
	if len(r.open) >= receiversAtOnce {
		return errTooMany
	}
	s := &receivedStream{meta: meta, from: from, parts: make(chan receivedPart, partsWaiting)}
	s.parts <- p
	r.open[key] = s
	before, done := r.newest[key.partition], make(chan struct{})
	if r.newest == nil {
		r.newest = map[partition.ID]chan struct{}{}
	}
	r.newest[key.partition] = done
	r.streams.Go(func() {
		if before != nil {
			<-before
		}
		err := r.run(s)
		close(done)
		r.mu.Lock()
		if r.newest[key.partition] == done {
			delete(r.newest, key.partition)
		}
		if r.open[key] == s {
			r.end(key, s)
		}
		r.mu.Unlock()
		for late := range s.parts {
			if err == nil && late.kind != partResume {
				late.reply(partAnswer(errNoStream))
				continue
			}
			s.answer(late, err)
		}
		r.count(outcomeOf(err))
	})
	return nil
}

// supersedes reports whether the stream is of a later order than one that comes now:
// of a later primary's, or of the same boot's.
func (s *receivedStream) supersedes(from, other replica.Peer, meta *replica.SnapshotMeta) bool {
	return s.meta.Epoch > meta.Epoch || from == other && s.meta.ID > meta.ID
}

// end makes a stream's goroutine stop after the part it has. Caller holds mu.
func (r *receiving) end(key receivingKey, s *receivedStream) {
	delete(r.open, key)
	close(s.parts)
}

// progress is how much of a partition's snapshot has come, in bytes, and how much
// there is, roughly; zeros where none is coming.
func (r *receiving) progress(id partition.ID) (taken, all int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, s := range r.open {
		if key.partition == id {
			taken = s.bytes.Load()
			return taken, max(taken, s.meta.Estimated)
		}
	}
	return 0, 0
}

// gone ends the streams of a connection, unless they go on with another one soon.
func (r *receiving) gone(from *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, s := range r.open {
		if s.from != from {
			continue
		}
		time.AfterFunc(resumeWithin, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.open[key] == s && s.from == from {
				r.end(key, s)
			}
		})
	}
}

// close ends all streams and waits for them.
func (r *receiving) close() {
	r.mu.Lock()
	r.closed = true
	for key, s := range r.open {
		r.end(key, s)
	}
	r.mu.Unlock()
	r.streams.Wait()
}

// run takes a stream's parts, and answers each when it is done.
func (r *receiving) run(s *receivedStream) error {
	var to *storage.Receiver
	defer func() {
		if to != nil {
			to.Abort()
		}
	}()
	idle := time.NewTimer(streamIdle)
	defer idle.Stop()
	for {
		select {
		case <-idle.C:
			return errIdle
		case p, open := <-s.parts:
			if !open {
				return errReplaced
			}
			err := r.take(s, p, &to)
			if err == nil && p.kind != partResume {
				s.taken++
			}
			s.answer(p, err)
			if err != nil || p.kind == partEnd {
				return err
			}
		}
		idle.Reset(streamIdle)
	}
}

// answer tells what has become of a part. A resume may come when the last part is
// taken, and its answer lost.
func (s *receivedStream) answer(p receivedPart, err error) {
	if p.kind == partResume && err == nil {
		p.reply(resumeAnswer(s.taken))
		return
	}
	p.reply(partAnswer(err))
}

// take carries out one part. to is nil before the first, and after the last.
func (r *receiving) take(s *receivedStream, p receivedPart, to **storage.Receiver) error {
	meta := s.meta
	ask := func(question func(replica.SnapshotMeta, func(bool))) bool {
		answer := make(chan bool, 1)
		question(meta, func(yes bool) { answer <- yes })
		return <-answer
	}
	switch {
	case p.kind == partBegin && *to == nil:
		if !ask(r.wants) {
			return errUnwanted
		}
		made, err := r.create(meta.Partition, meta.Lineage, meta.Applied)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		*to = made
		return nil
	case *to == nil:
		return fmt.Errorf("%w: part %d", errPartForm, p.kind)
	case p.kind == partChunk:
		chunk, err := r.packer.unpack(p.body)
		if err != nil {
			return err
		}
		if err := (*to).Write(chunk); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		s.bytes.Add(int64(len(chunk)))
		return nil
	case p.kind == partResume:
		if !ask(r.wants) {
			return errUnwanted
		}
		return nil
	case p.kind == partGivenUp:
		return errGivenUp
	}
	if !ask(r.begins) {
		return errUnwanted
	}
	table, err := (*to).Commit()
	*to = nil
	if err != nil {
		r.kept(meta)
		return fmt.Errorf("commit: %w", err)
	}
	done := make(chan struct{})
	r.installed(meta, table, func() { close(done) })
	<-done
	return nil
}

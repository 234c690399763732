package storage

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// requests remembers what applied requests answered (rules Q1 and Q3). Its
// content follows from the entries alone, so it is the same on every replica.
type requests struct {
	origins map[partition.StoreID]*session
	dirty   map[partition.StoreID]struct{} // changed since the last flush
}

// session is what is remembered of the latest boot of one node. A node's
// earlier boots have nothing open any more.
type session struct {
	boot    uint64
	start   partition.StartID
	lowest  uint64       // every counter below it is forgotten
	results []remembered // by counter
}

type remembered struct {
	counter uint64
	result  entry.Result
}

func newRequests() requests {
	return requests{origins: map[partition.StoreID]*session{}, dirty: map[partition.StoreID]struct{}{}}
}

// apply remembers an applied entry's request, and forgets those that the entry
// says are closed.
func (r *requests) apply(e *entry.Entry) {
	if e.Request.IsZero() {
		return
	}
	s := r.origins[e.Request.Origin]
	if s == nil {
		s = &session{boot: e.Request.Boot, start: e.Request.Start}
		r.origins[e.Request.Origin] = s
	}
	if e.Request.Boot < s.boot {
		return
	}
	r.dirty[e.Request.Origin] = struct{}{}
	if e.Request.Boot > s.boot || e.Request.Start != s.start {
		*s = session{boot: e.Request.Boot, start: e.Request.Start}
	}
	s.remember(e.Request.Counter, entry.Result{Sequence: e.Sequence, Existed: e.Existed})
	s.forget(e.LowestOpen)
}

// remember keeps the first result of a counter. Counters come nearly in order,
// so the place is looked for from the end.
func (s *session) remember(counter uint64, result entry.Result) {
	at := len(s.results)
	for at > 0 && s.results[at-1].counter > counter {
		at--
	}
	if counter < s.lowest || at > 0 && s.results[at-1].counter == counter {
		return
	}
	s.results = slices.Insert(s.results, at, remembered{counter, result})
}

func (s *session) forget(below uint64) {
	if below <= s.lowest {
		return
	}
	s.lowest = below
	n := 0
	for n < len(s.results) && s.results[n].counter < below {
		n++
	}
	s.results = s.results[n:]
}

// lookup tells what the request answered; forgotten if that was dropped.
func (r *requests) lookup(id entry.RequestID) (result entry.Result, applied, forgotten bool) {
	s := r.origins[id.Origin]
	if s == nil || id.Boot > s.boot {
		return entry.Result{}, false, false
	}
	// Another start with the same counter is of another history: what it asks was
	// refused before it was logged, and whether it was is not known here.
	if id.Boot < s.boot || id.Start != s.start || id.Counter < s.lowest {
		return entry.Result{}, false, true
	}
	i, found := slices.BinarySearchFunc(s.results, id.Counter, func(r remembered, c uint64) int {
		switch {
		case r.counter < c:
			return -1
		case r.counter > c:
			return 1
		}
		return 0
	})
	if !found {
		return entry.Result{}, false, false
	}
	return s.results[i].result, true, false
}

// takeDirty returns the encodings of the sessions that changed since it was
// last called.
func (r *requests) takeDirty() map[partition.StoreID][]byte {
	out := make(map[partition.StoreID][]byte, len(r.dirty))
	for origin := range r.dirty {
		out[origin] = r.origins[origin].encode(origin)
	}
	clear(r.dirty)
	return out
}

// encode covers the origin with the checksum, and does not include it: it is
// the key under which the session is stored.
func (s *session) encode(origin partition.StoreID) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(origin))
	b = binary.AppendUvarint(b, s.boot)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.start))
	b = binary.AppendUvarint(b, s.lowest)
	b = binary.AppendUvarint(b, uint64(len(s.results)))
	previous := uint64(0)
	for _, r := range s.results {
		b = binary.AppendUvarint(b, r.counter-previous)
		b = binary.AppendUvarint(b, r.result.Sequence)
		existed := byte(0)
		if r.result.Existed {
			existed = 1
		}
		b = append(b, existed)
		previous = r.counter
	}
	return seal(b, 0)[8:]
}

// storedSession decodes a session and its key.
func storedSession(key, b []byte) (partition.StoreID, *session, error) {
	if len(key) != 8 {
		return 0, nil, fmt.Errorf("%w: origin of %d bytes", ErrDamaged, len(key))
	}
	origin := partition.StoreID(binary.BigEndian.Uint64(key))
	s, err := decodeSession(origin, b)
	return origin, s, err
}

func decodeSession(origin partition.StoreID, b []byte) (*session, error) {
	what := fmt.Sprintf("remembered requests of store %s", origin)
	body, err := unseal(append(binary.LittleEndian.AppendUint64(nil, uint64(origin)), b...), what)
	if err != nil {
		return nil, err
	}
	r := reader{b: body[8:], what: what}
	s := &session{boot: r.uvarint("boot"), start: partition.StartID(r.uint64("start")), lowest: r.uvarint("lowest open")}
	count := r.uvarint("count")
	previous := uint64(0)
	for i := uint64(0); i < count && r.err == nil; i++ {
		step := r.uvarint("counter")
		counter := previous + step
		if i > 0 && counter <= previous {
			r.fail("counter")
		}
		result := entry.Result{Sequence: r.uvarint("sequence")}
		existed := r.byte("existed")
		if existed > 1 {
			r.fail("existed")
		}
		result.Existed = existed == 1
		s.results = append(s.results, remembered{counter, result})
		previous = counter
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return s, nil
}

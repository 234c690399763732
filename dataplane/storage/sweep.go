package storage

import "sync"

// sweep is the scrub's way through one file. It reads a little in each of many
// short transactions, for a long one would make the file grow, and flushes change
// the file between them, and while one is open. All the same it knows exactly what
// the sum of each bucket must come to:
//
//   - sums is that of all items before a place, at, as of some transaction.
//   - A flush announces its changes before it commits. The sweep takes them in as
//     soon as it reads a transaction that has them: those of keys before at. Those
//     of keys behind it will be read.
//
// So what flushes replace is no gap and no false alarm, and what they leave as it
// is, is read once.
type sweep struct {
	mu      sync.Mutex
	at      place
	sums    bucketSums
	reading bool         // a transaction is open, whose items are not in sums yet
	pending []*announced // oldest first
}

// place is where a sweep is: it has read all that lies before it.
type place struct {
	kind bucketKind
	key  string // those of the bucket's items that sort before it; "": none of them
}

func (p place) passed(c *sumChange) bool {
	return c.kind < p.kind || c.kind == p.kind && c.key < p.key
}

// announced are the changes of one flush that a sweep has not taken in.
type announced struct {
	sweep     *sweep
	number    int // of its transaction
	changes   []sumChange
	committed bool
}

// announce tells of a flush's changes before they are committed.
func (s *sweep) announce(number int, changes []sumChange) *announced {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &announced{sweep: s, number: number, changes: changes}
	s.pending = append(s.pending, a)
	return a
}

// done tells that the flush is committed: what begins now reads it.
func (a *announced) done() {
	s := a.sweep
	s.mu.Lock()
	defer s.mu.Unlock()
	a.committed = true
	s.settleLocked()
}

// begin is called with the number of the transaction that is read next, which
// open returns. It returns where to go on, and the sums so far.
func (s *sweep) begin(open func() (number int, err error)) (place, bucketSums, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, err := open()
	if err != nil {
		return s.at, s.sums, err
	}
	for len(s.pending) > 0 && s.pending[0].number <= number {
		s.takeLocked()
	}
	s.reading = true
	return s.at, s.sums, nil
}

// end is called when that transaction has been read, with what begin returns next
// time. What was committed meanwhile it did not see.
func (s *sweep) end(at place, sums bucketSums) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.sums, s.reading = at, sums, false
	s.settleLocked()
}

// settleLocked takes in early what the next transaction has in any case: a change
// keeps memory. Caller holds mu.
func (s *sweep) settleLocked() {
	for !s.reading && len(s.pending) > 0 && s.pending[0].committed {
		s.takeLocked()
	}
}

// takeLocked takes in the oldest changes. Caller holds mu.
func (s *sweep) takeLocked() {
	changes := s.pending[0].changes
	s.pending = s.pending[1:]
	for i := range changes {
		if c := &changes[i]; s.at.passed(c) {
			s.sums[c.kind] += c.by
		}
	}
}

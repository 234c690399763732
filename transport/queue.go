package transport

import "encoding/binary"

// Rank says what a message goes ahead of, where something waits to be written.
// Messages of one rank keep their order.
type Rank uint8

const (
	// Ordinary is the rank of Send, and of requests and their replies.
	Ordinary Rank = iota
	// Ahead does not wait for what is ordinary: the two take turns, a MiB each.
	Ahead
	// First waits for nothing but what is being written: for what is small, and
	// must not come late.
	First
	ranks
)

// queue is what waits to be written in one rank. Its fields are the
// connection's, under its lock.
type queue struct {
	out     []byte // waits, and grows
	batch   []byte // taken from there, whole
	written int    // of batch, or being written
	writing int    // of it, being written
	wasted  int    // batches in a row that needed little of a large buffer
}

// backlog is how many bytes are not written yet.
func (q *queue) backlog() int { return len(q.out) + len(q.batch) - q.written + q.writing }

// waits is how many bytes nobody is writing yet.
func (q *queue) waits() int { return len(q.out) + len(q.batch) - q.written }

// take returns what is to be written next: whole frames, one at least if there
// is one, and no more than limit in all unless the first is larger.
func (q *queue) take(limit int) []byte {
	if q.written == len(q.batch) {
		if len(q.out) == 0 {
			return nil
		}
		q.batch, q.out, q.written = q.out, q.reuse(q.batch)[:0], 0
	}
	b := q.batch[q.written:]
	b = b[:wholeFrames(b, limit)]
	q.written += len(b)
	q.writing = len(b)
	return b
}

// reuse returns the buffer for the next round, unless it is large and has held
// little for a while.
func (q *queue) reuse(b []byte) []byte {
	if cap(b) <= smallest || len(b) > cap(b)/4 {
		q.wasted = 0
		return b
	}
	if q.wasted++; q.wasted < patience {
		return b
	}
	q.wasted = 0
	return nil
}

// wholeFrames returns how many bytes of b, which begins with a frame and ends
// with one, are frames within the limit; at least the first frame.
func wholeFrames(b []byte, limit int) (n int) {
	if len(b) <= limit {
		return len(b)
	}
	for n < len(b) {
		next := n + headerSize + int(binary.LittleEndian.Uint32(b[n+4:]))
		if n > 0 && next > limit {
			break
		}
		n = next
	}
	return n
}

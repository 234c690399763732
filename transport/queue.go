package transport

import "net"

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

// chunkBytes is how much is gathered in one buffer. A larger frame has one of
// its own, which is given up when it is written.
const chunkBytes = 256 << 10

// queue is what waits to be written in one rank, in buffers of whole frames. So
// it holds what waits and little more, and a large backlog is never copied to
// grow. Its fields are the connection's, under its lock.
type queue struct {
	chunks  [][]byte
	bytes   int      // of chunks
	writing int      // bytes that are being written
	taken   [][]byte // which those are
	spare   [][]byte // emptied ones, for more
	wasted  int      // uses in a row of a large buffer for little
}

// backlog is how many bytes are not written yet.
func (q *queue) backlog() int { return q.bytes + q.writing }

// add appends a frame.
func (q *queue) add(k kind, id uint64, body []byte) {
	size := headerSize + len(body)
	last := len(q.chunks) - 1
	if last < 0 || len(q.chunks[last])+size > chunkBytes {
		q.chunks = append(q.chunks, q.chunk(size))
		last++
	}
	q.chunks[last] = appendFrame(q.chunks[last], k, id, body)
	q.bytes += size
}

// chunk returns an empty buffer for a frame of that size.
func (q *queue) chunk(size int) []byte {
	if n := len(q.spare); n > 0 && size <= chunkBytes {
		b := q.spare[n-1]
		q.spare = q.spare[:n-1]
		return b
	}
	if size > chunkBytes {
		return make([]byte, 0, size)
	}
	return nil
}

// take adds to batch what is to be written next: no more than limit in all,
// unless a frame of its own is larger.
func (q *queue) take(batch net.Buffers, limit int) net.Buffers {
	n := 0
	for n < len(q.chunks) && (n == 0 || q.writing+len(q.chunks[n]) <= limit) {
		q.writing += len(q.chunks[n])
		n++
	}
	q.taken = append(q.taken[:0], q.chunks[:n]...)
	batch = append(batch, q.taken...)
	rest := copy(q.chunks, q.chunks[n:])
	clear(q.chunks[rest:])
	q.chunks = q.chunks[:rest]
	q.bytes -= q.writing
	return batch
}

// written ends what take began, and keeps two buffers at most.
func (q *queue) written() {
	for i, b := range q.taken {
		if cap(b) <= 2*chunkBytes && len(q.spare) < 2 {
			if b = q.reuse(b); b != nil {
				q.spare = append(q.spare, b[:0])
			}
		}
		q.taken[i] = nil
	}
	q.taken, q.writing = q.taken[:0], 0
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

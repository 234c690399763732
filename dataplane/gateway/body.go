package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// smallBody is reserved and allocated at once; a larger one as it arrives,
	// so that an upload that stalls holds what it sent and not what it declared.
	smallBody = 16 << 10
	// makeRoom is how long an upload waits while slower ones are ended for it.
	makeRoom = 250 * time.Millisecond
)

var (
	errTooLarge   = errors.New("the body is larger than the limit")
	errOverloaded = errors.New("no memory left for bodies")
)

// body is a request's body in memory, and what it holds of the memory for bodies.
type body struct {
	bytes    []byte
	reserved int64
}

// read takes the body of a request. What it reserves the caller releases, also
// after an error.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request) (b body, err error) {
	size := r.ContentLength
	switch {
	case size > g.limits.Value:
		return b, errTooLarge
	case size == 0:
		return b, nil
	case size < 0 || size > smallBody:
		return g.upload(w, r)
	}
	if err := g.reserve(&b, size); err != nil {
		return b, err
	}
	b.bytes = make([]byte, size)
	deadline := http.NewResponseController(w)
	deadline.SetReadDeadline(time.Now().Add(g.limits.BodyStall)) //nolint:errcheck // then the server's own holds
	if _, err = io.ReadFull(r.Body, b.bytes); err != nil {
		return b, err // net/http reads what is left of the body: under the same deadline
	}
	deadline.SetReadDeadline(time.Time{}) //nolint:errcheck // as above
	return b, nil
}

// upload takes a large body, or one of unknown size, in memory that grows with it.
func (g *Gateway) upload(w http.ResponseWriter, r *http.Request) (b body, err error) {
	limit := g.limits.Value
	if r.ContentLength > 0 {
		limit = r.ContentLength
	}
	u := g.uploads.begin(http.NewResponseController(w), g.limits)
	defer func() {
		if g.uploads.end(u, err == nil) && err != nil {
			err = errOverloaded // it was ended to make room
		}
	}()
	for {
		if len(b.bytes) == cap(b.bytes) {
			if int64(len(b.bytes)) == limit {
				return b, g.expectEnd(r)
			}
			if err := g.grow(&b, limit); err != nil {
				return b, err
			}
		}
		u.extend(int64(len(b.bytes)))
		n, err := r.Body.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		u.progress(n)
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// grow makes the buffer four times as large, at most the limit.
func (g *Gateway) grow(b *body, limit int64) error {
	size := min(max(4*int64(cap(b.bytes)), smallBody), limit)
	if err := g.reserve(b, size-int64(cap(b.bytes))); err != nil {
		return err
	}
	grown := make([]byte, len(b.bytes), size)
	copy(grown, b.bytes)
	b.bytes = grown
	return nil
}

// expectEnd checks that a body of unknown size is over where the limit is.
func (g *Gateway) expectEnd(r *http.Request) error {
	var one [1]byte
	switch n, err := r.Body.Read(one[:]); {
	case n > 0:
		return errTooLarge
	case err == nil || errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// reserve takes n bytes of the memory for bodies; where there is none left, it
// ends uploads that are much too slow for their size, and waits a moment.
func (g *Gateway) reserve(b *body, n int64) error {
	if !g.bodies.TryAcquire(n) {
		g.uploads.endSlow(n)
		ctx, cancel := context.WithTimeout(context.Background(), makeRoom)
		defer cancel()
		if g.bodies.Acquire(ctx, n) != nil {
			g.metrics.refused.Inc()
			return errOverloaded
		}
	}
	b.reserved += n
	g.metrics.bodies.Add(float64(n))
	return nil
}

func (g *Gateway) release(n int64) {
	if n > 0 {
		g.bodies.Release(n)
		g.metrics.bodies.Sub(float64(n))
	}
}

// bodyProblem says what to answer when a body could not be read.
func bodyProblem(err error) *problem {
	var network net.Error
	switch {
	case errors.Is(err, errTooLarge):
		return &valueTooLarge
	case errors.Is(err, errOverloaded):
		return &overloaded
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return &bodyTimeout
	}
	return &badBody
}

// Package load drives HTTP key-value servers as hard as they can take it, and
// measures them. It shares the machine with the servers, so it is made to cost
// little: a few threads, each with an epoll over its connections, and requests
// written by hand. It is used by scripts/load, scripts/bench and the process
// tests, and knows nothing of a server but its dialect.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to send, where and for how long.
type Config struct {
	Targets     []string // host:port; connections are spread over them evenly
	Dialect     Dialect
	Connections int
	Rate        float64       // requests begun in a second, evenly; 0: each connection's next when the last is answered
	Reads       float64       // share of reads, 0 to 1
	Duration    time.Duration // or, if Count is set, until that many requests are done
	Count       uint64
	Keys        int  // requests go to that many keys
	InOrder     bool // every key in turn rather than at random: fills the store
	KeyPrefix   string
	FirstKey    int           // number of the first of the keys
	ValueSize   int           // bytes
	Timeout     time.Duration // of one request; default 15 s
	Threads     int           // default 2
	Seed        uint64
}

func (c *Config) check() error {
	var errs []error
	fault := func(broken bool, text string) {
		if broken {
			errs = append(errs, errors.New(text))
		}
	}
	fault(len(c.Targets) == 0, "no targets")
	fault(c.Dialect == nil, "no dialect")
	fault(c.Connections < 1, "connections: want at least 1")
	fault(c.Rate < 0, "rate: want 0 requests a second or more")
	fault(c.Keys < 1, "keys: want at least 1")
	fault(c.ValueSize < 0, "value size: want 0 bytes or more")
	fault(c.Reads < 0 || c.Reads > 1, "reads: want a share from 0 to 1")
	fault(c.Duration <= 0 && c.Count == 0, "want a duration or a count")
	for _, t := range c.Targets {
		if _, _, err := net.SplitHostPort(t); err != nil {
			errs = append(errs, fmt.Errorf("target: %w", err))
		}
	}
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Threads <= 0 {
		c.Threads = 2
	}
	c.Threads = min(c.Threads, c.Connections)
	return errors.Join(errs...)
}

// Result is what a run measured.
type Result struct {
	Elapsed time.Duration
	Puts    Histogram
	Gets    Histogram
	Misses  uint64            // reads that found no value
	Errors  map[string]uint64 // by "status 503" or what the connection said
}

// Operations returns how many requests succeeded.
func (r *Result) Operations() uint64 { return r.Puts.Count() + r.Gets.Count() }

// Rate returns successful requests a second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Operations()) / r.Elapsed.Seconds()
}

// Failed returns how many requests did not succeed.
func (r *Result) Failed() uint64 {
	var n uint64
	for _, c := range r.Errors {
		n += c
	}
	return n
}

func (r *Result) add(o *Result) {
	r.Puts.Add(&o.Puts)
	r.Gets.Add(&o.Gets)
	r.Misses += o.Misses
	for k, n := range o.Errors {
		r.Errors[k] += n
	}
}

// shared is what the threads of one run have in common.
type shared struct {
	Config
	issued  atomic.Uint64 // requests begun, for Count and InOrder
	stopped atomic.Bool
}

// Run drives the targets until the duration or count is over, or ctx ends. It
// returns an error only where nothing could be measured; failed requests are in
// the result.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	s := &shared{Config: c}
	threads := make([]*thread, c.Threads)
	for i := range threads {
		t, err := newThread(s, i)
		if err != nil {
			for _, t := range threads[:i] {
				t.close()
			}
			return nil, fmt.Errorf("load: %w", err)
		}
		threads[i] = t
	}

	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		var over <-chan time.Time
		if c.Count == 0 {
			timer := time.NewTimer(c.Duration)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-ctx.Done():
		case <-over:
		case <-done:
		}
		s.stopped.Store(true)
	})

	start := time.Now()
	var running sync.WaitGroup
	for _, t := range threads {
		running.Go(t.run)
	}
	running.Wait()
	elapsed := time.Since(start)
	close(done)
	watching.Wait()

	total := &Result{Elapsed: elapsed, Errors: map[string]uint64{}}
	for _, t := range threads {
		total.add(&t.result)
	}
	return total, ctx.Err()
}

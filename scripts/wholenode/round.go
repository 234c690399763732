package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// round is one cluster's life: it starts, is loaded and harmed, heals, and is
// judged.
type round struct {
	seed    uint64
	lasting time.Duration // of load and faults
	dir     string        // for data, log and history
	// checkTimeout bounds the checker, for one key.
	checkTimeout time.Duration
	// record has the last word on what is recorded; nil in earnest. Tests use it to
	// plant a wrong answer.
	record func(o *history.Operation)
}

// result is what a round found.
type result struct {
	plan       plan
	operations []history.Operation
	verdict    history.Verdict
	faults     []*fault
	repeats    int64
	err        error // what was wrong besides the history
	log        string
}

// good reports whether nothing was found. Keys that were not decided are counted
// over all rounds.
func (r *result) good() bool {
	return r.err == nil && !r.verdict.Wrong()
}

// run runs the round.
func (r *round) run(ctx context.Context) *result {
	out := &result{plan: newPlan(r.seed, r.lasting), log: filepath.Join(r.dir, "log.txt")}
	file, err := os.Create(out.log)
	if err != nil {
		out.err = err
		return out
	}
	defer file.Close()
	c, err := newCluster(out.plan, r.dir, newLogger(file))
	if err != nil {
		out.err = err
		return out
	}
	recorder, err := history.NewRecorder(filepath.Join(r.dir, "history.jsonl"))
	if err != nil {
		out.err = err
		return out
	}
	out.err = r.live(ctx, c, recorder, out)
	out.err = errors.Join(out.err, c.close())
	out.err = errors.Join(append(c.problems, out.err)...)
	operations, err := recorder.Close()
	out.err = errors.Join(out.err, err)
	out.operations = operations
	out.verdict = history.Check(operations, r.checkTimeout, filepath.Join(r.dir, "not-linearizable.html"))
	return out
}

// live is the life of the cluster, up to its end.
func (r *round) live(ctx context.Context, c *cluster, recorder *history.Recorder, out *result) error {
	starting, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	if err := c.start(starting); err != nil {
		return err
	}
	if err := c.wait(starting, "all replicas to be in sync", c.whole); err != nil {
		return err
	}
	l := &load{cluster: c, began: time.Now(), recorder: recorder, record: r.record}
	n := &nemesis{cluster: c, began: l.began}
	loading, stop := context.WithTimeout(ctx, r.lasting)
	defer stop()
	working, loading := errgroup.WithContext(loading)
	working.Go(func() error { return n.run(loading) })
	for i := range c.plan.shape.clients {
		caller, err := l.newCaller(i)
		if err != nil {
			return errors.Join(err, working.Wait())
		}
		working.Go(func() error {
			defer caller.client.Close()
			return caller.run(loading)
		})
	}
	err := working.Wait()
	out.faults, out.repeats = n.faults, l.repeats.Load()
	if err != nil {
		return err
	}
	if err := c.heal(ctx); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	err = l.verify(ctx)
	out.repeats = l.repeats.Load()
	return err
}

// newLogger writes the log of all processes of a cluster. Times are seconds since
// it was made.
func newLogger(file *os.File) *slog.Logger {
	began := time.Now()
	return slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.String(a.Key, fmt.Sprintf("%.3f", time.Since(began).Seconds()))
		}
		return a
	}}))
}

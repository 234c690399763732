package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// A new primary brings the replicas to what it has before its first write, once in each
// leadership, and again after an error.
func TestATakeoverComesBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	c := primary(t)
	var took []uint64
	var err error
	c.OnTakeover(func(_ context.Context, w *Write) error {
		took = append(took, w.Sequence)
		if len(w.Targets()) != 1 || w.Targets()[0].ID != "n2" {
			t.Errorf("targets %v", w.Targets())
		}
		return err
	})
	if c.leading.asked(n3, wanted(5, 0)); len(took) != 0 {
		t.Error("taken over for a learner")
	}
	err = errors.New("no")
	if got := c.Write(t.Context(), at(t, c), func(context.Context, *Write) error { return nil }); !errors.Is(got, err) || errors.Is(got, ErrOutcomeUnknown) {
		t.Errorf("written without a take-over: %v", got)
	}
	err = nil
	for range 2 {
		if w := write(t, c); len(took) != 2 || w.Sequence <= took[1] {
			t.Errorf("write %d after take-overs %v", w.Sequence, took)
		}
	}
	c.publish(configured(6, nil)) // the same primary goes on
	if write(t, c); len(took) != 2 {
		t.Errorf("taken over %d times", len(took))
	}
	c.publish(configured(7, func(conf *partition.Configuration) { conf.Primary = "n2" }))
	c.publish(configured(8, nil))
	if write(t, c); len(took) != 3 {
		t.Errorf("taken over %d times, and another was primary in between", len(took))
	}
}

// Writes that come while the partition is taken over wait for it; there is one take-over.
func TestWritesWaitForTheTakeover(t *testing.T) {
	t.Parallel()
	c := primary(t)
	began, goOn := make(chan bool), make(chan bool)
	c.OnTakeover(func(context.Context, *Write) error {
		close(began) // panics if there are two
		<-goOn
		return nil
	})
	done := make(chan uint64, 3)
	for range 3 {
		go func() { done <- write(t, c).Sequence }()
	}
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Write(ctx, at(t, c), func(context.Context, *Write) error { return nil }); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
	if len(done) > 0 {
		t.Error("a write went ahead of the take-over")
	}
	close(goOn)
	for range 3 {
		<-done
	}
}

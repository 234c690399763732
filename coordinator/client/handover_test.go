package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A hand-over waits for the writes that are open, and holds new ones, so that none of
// them has an unknown outcome.
func TestAHandOverWaitsForOpenWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := primary(t)
		goOn, done, begun := make(chan bool), make(chan error), make(chan error, 1)
		go func() {
			done <- c.Write(t.Context(), at(t, c), func(context.Context, *Write) error {
				<-goOn
				return nil
			})
		}()
		synctest.Wait()
		if c.leading.quiet(time.Now(), 0) {
			t.Error("handed over while a write is open")
		}
		go func() {
			begun <- c.Write(t.Context(), at(t, c), func(context.Context, *Write) error { return nil })
		}()
		synctest.Wait()
		if len(begun) > 0 {
			t.Error("a write began during a hand-over")
		}
		close(goOn)
		if err := <-done; err != nil {
			t.Error(err)
		}
		select {
		case <-c.leading.still:
		default:
			t.Error("nothing tells that the last write has ended")
		}
		if !c.leading.quiet(time.Now(), 0) {
			t.Error("no write is open")
		}
		m := configured(6, nil)
		m.Partitions[0].Primary = "n2"
		c.publish(m)
		if err := <-begun; err == nil {
			t.Error("written by a node that has handed over")
		}
	})
}

// A write that does not end, or coordinators that do not answer, hold writes up for a
// moment only, and once in an epoch.
func TestAHandOverHoldsWritesOnlyForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := primary(t)
		write(t, c)
		began := time.Now()
		if !c.leading.quiet(began, 0) {
			t.Error("no write is open")
		}
		write(t, c)
		if waited := time.Since(began); waited != holdFor {
			t.Errorf("held up for %v", waited)
		}
		goOn, done := make(chan bool), make(chan error)
		go func() {
			done <- c.Write(t.Context(), at(t, c), func(context.Context, *Write) error {
				<-goOn
				return nil
			})
		}()
		synctest.Wait()
		if !c.leading.quiet(time.Now(), 0) {
			t.Error("a write that does not end holds the move up for ever")
		}
		write(t, c)
		if waited := time.Since(began); waited != holdFor {
			t.Errorf("held up again, for %v", waited-holdFor)
		}
		close(goOn)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

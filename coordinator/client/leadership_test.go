package client

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

var (
	first = partition.Start{Incarnation: 1, ID: 1}
	n2    = protocol.NodeStart{Node: "n2", Store: 2, Start: first}
	n3    = protocol.NodeStart{Node: "n3", Store: 3, Start: first}
)

// configured is a map in which n1 leads partition 0 at that epoch: n2 is in sync, n3
// as the lists say.
func configured(epoch partition.Epoch, change func(*partition.Configuration)) *partition.Map {
	conf := partition.Configuration{
		ID: 0, Epoch: epoch, Primary: "n1",
		Replicas: []partition.Replica{{Node: "n1", Store: 1}, {Node: "n2", Store: 2}},
		Learners: []partition.Replica{{Node: "n3", Store: 3}},
	}
	if change != nil {
		change(&conf)
	}
	return &partition.Map{
		Version: uint64(epoch), ClusterID: "c", Settings: partition.Settings{Partitions: 1, ReplicationFactor: 3, MinInSync: 2},
		Nodes: []partition.Node{
			{ID: "n1", Store: 1, Incarnation: 1, StartID: 1}, {ID: "n2", Store: 2, Incarnation: 1, StartID: 1},
			{ID: "n3", Store: 3, Incarnation: 1, StartID: 1},
		},
		Partitions: []partition.Configuration{conf},
	}
}

func allInSync(c *partition.Configuration) {
	c.Replicas = append(c.Replicas, c.Learners...)
	c.Learners = nil
}

// primary is the client of n1, without connections.
func primary(t *testing.T) *Client {
	c := &Client{config: Config{NodeID: "n1", Store: 1, Start: first, NothingToCopy: true}, role: protocol.RoleNode, log: slog.New(slog.DiscardHandler)}
	c.ctx, c.cancel = context.WithCancel(t.Context())
	t.Cleanup(c.cancel)
	c.current.Store(&view{m: &partition.Map{}})
	c.maps.init()
	c.hooks.init(c)
	c.asking.init(c)
	c.leading.init(c)
	c.proposing.init()
	c.publish(configured(5, nil))
	return c
}

func at(t *testing.T, c *Client) *Partition {
	t.Helper()
	p, err := c.GetPartitionByID(0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write makes a write and returns it.
func write(t *testing.T, c *Client) *Write {
	t.Helper()
	var made *Write
	err := c.Write(t.Context(), at(t, c), func(_ context.Context, w *Write) error {
		made = w
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func wanted(epoch partition.Epoch, sequence uint64) protocol.Hint {
	return protocol.Hint{Kind: protocol.CopyWanted, Epoch: epoch, Sequence: sequence}
}

func ready(epoch partition.Epoch, sequence uint64) protocol.Hint {
	return protocol.Hint{Kind: protocol.CopyReady, Epoch: epoch, Sequence: sequence}
}

// proposed are the replicas that a primary proposes now; nil for nothing.
func proposed(t *testing.T, c *Client) []partition.NodeID {
	t.Helper()
	l, err := c.leading.leadership(0)
	if err != nil {
		t.Fatal(err)
	}
	change, wants := l.change()
	if !wants {
		return nil
	}
	return partition.Nodes(change.Replicas)
}

// Hints come late, twice, from another start and about another epoch. Only what is
// said of the copy that is open now counts.
func TestOnlyHintsOfTheOpenCopyCount(t *testing.T) {
	t.Parallel()
	c := primary(t)
	for name, from := range map[string]protocol.NodeStart{
		"another start":           {Node: "n3", Store: 3, Start: partition.Start{Incarnation: 2, ID: 1}},
		"another with its number": {Node: "n3", Store: 3, Start: partition.Start{Incarnation: 1, ID: 2}},
		"another disk":            {Node: "n3", Store: 4, Start: first},
		"a replica in sync":       n2,
	} {
		if _, open := c.leading.asked(from, wanted(5, 0)); open {
			t.Errorf("a copy was opened for %s", name)
		}
	}
	if _, open := c.leading.asked(n3, wanted(4, 0)); open {
		t.Error("a copy was opened in an epoch that is over")
	}
	first, open := c.leading.asked(n3, wanted(5, 0))
	if !open {
		t.Fatal("no copy was opened")
	}
	if again, open := c.leading.asked(n3, wanted(5, 0)); !open || again != first {
		t.Errorf("asked again: %d, want %d", again, first)
	}
	if w := write(t, c); w.Sequence <= first || len(w.Targets()) != 2 {
		t.Errorf("write %d goes to %d, the copy is %d", w.Sequence, len(w.Targets()), first)
	}
	for _, hint := range []protocol.Hint{wanted(5, first), ready(5, first-1), ready(5, first+1), ready(6, first)} {
		if c.leading.asked(n3, hint); proposed(t, c) != nil {
			t.Errorf("proposed after %+v", hint)
		}
	}
	c.leading.asked(n3, ready(5, first))
	if got := proposed(t, c); len(got) != 3 {
		t.Errorf("proposed %v", got)
	}

	// Another epoch of the same primary goes on with the copy.
	c.publish(configured(6, nil))
	if got := proposed(t, c); len(got) != 3 {
		t.Errorf("proposed %v in the next epoch", got)
	}
	// It is in sync and out again: what was said of the earlier copy is void.
	c.publish(configured(7, allInSync))
	c.publish(configured(8, nil))
	if c.leading.asked(n3, ready(8, first)); proposed(t, c) != nil {
		t.Error("proposed for a copy from before it was in sync")
	}
	if second, open := c.leading.asked(n3, wanted(8, first)); !open || second <= first {
		t.Errorf("copy %d after %d", second, first)
	}
	// An epoch was missed: another may have been primary in it.
	c.publish(configured(10, nil))
	if c.leading.asked(n3, ready(10, first)); proposed(t, c) != nil {
		t.Error("proposed for a copy of an earlier leadership")
	}
}

// A learner that did not take a write is void, also if it says that it is ready; it
// gets no writes before it asks again.
func TestAVoidCopyIsNotProposed(t *testing.T) {
	t.Parallel()
	c := primary(t)
	first, _ := c.leading.asked(n3, wanted(5, 0))
	err := c.Write(t.Context(), at(t, c), func(_ context.Context, w *Write) error {
		w.Failed(w.Targets()[1])
		return nil
	})
	if err != nil {
		t.Errorf("a learner failed a write: %v", err)
	}
	if c.leading.asked(n3, ready(5, first)); proposed(t, c) != nil {
		t.Error("proposed although it lacks a write")
	}
	if w := write(t, c); len(w.Targets()) != 1 {
		t.Errorf("the failed learner holds %d targets up", len(w.Targets()))
	}
	l, _ := c.leading.leadership(0)
	second, open, _ := l.asked(time.Now().Add(failedMost), n3, wanted(5, first))
	if !open || second <= first {
		t.Errorf("copy %d follows %d", second, first)
	}
}

// A learner was proposed, and may be in sync by now: a write that it did not take waits
// for an epoch that tells.
func TestALearnerThatMayBeInSyncIsTakenOut(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(*partition.Configuration){"it is not": nil, "it is": allInSync} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := primary(t)
			first, _ := c.leading.asked(n3, wanted(5, 0))
			c.leading.asked(n3, ready(5, first))
			if len(proposed(t, c)) != 3 {
				t.Fatal("not proposed")
			}
			failed, done := make(chan bool), make(chan error, 1)
			go func() {
				done <- c.Write(t.Context(), at(t, c), func(_ context.Context, w *Write) error {
					w.Failed(w.Targets()[1])
					close(failed)
					return nil
				})
			}()
			<-failed
			if got := proposed(t, c); len(got) != 2 {
				t.Errorf("proposed %v: an epoch without it was wanted", got)
			}
			c.publish(configured(6, next))
			if next != nil {
				select {
				case err := <-done:
					t.Fatalf("ended with %v while it is in sync", err)
				case <-time.After(20 * time.Millisecond):
				}
				if got := proposed(t, c); len(got) != 2 {
					t.Errorf("proposed %v", got)
				}
				c.publish(configured(7, nil))
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// What may have been written is told from what was not.
func TestWriteTellsWhetherItMayHaveHappened(t *testing.T) {
	t.Parallel()
	never := func(context.Context, *Write) error { return errors.New("it was called") }
	few := func(c *partition.Configuration) { c.Replicas = c.Replicas[:1] }
	other := func(c *partition.Configuration) { c.Primary = "n2" }
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		do   func(t *testing.T, c *Client) error
		want error
		not  bool // it was not written
	}{
		"another is primary": {func(t *testing.T, c *Client) error {
			c.publish(configured(6, other))
			return c.Write(t.Context(), at(t, c), never)
		}, ErrNotPrimary, true},
		"looked up before": {func(t *testing.T, c *Client) error {
			p := at(t, c)
			c.publish(configured(6, other))
			c.publish(configured(7, nil))
			return c.Write(t.Context(), p, never)
		}, ErrStaleEpoch, true},
		"refused for good": {func(t *testing.T, c *Client) error {
			p := at(t, c)
			c.fence(&RefusedError{Node: "n1", Reason: "removed"})
			return c.Write(t.Context(), p, never)
		}, ErrFenced, true},
		"refused for good meanwhile": {func(t *testing.T, c *Client) error {
			return c.Write(t.Context(), at(t, c), func(ctx context.Context, _ *Write) error {
				c.fence(&RefusedError{Node: "n1", Reason: "removed"})
				<-ctx.Done()
				return nil
			})
		}, ErrNotPrimary, false},
		"too few": {func(t *testing.T, c *Client) error {
			c.publish(configured(6, few))
			return c.Write(t.Context(), at(t, c), never)
		}, ErrTooFewInSync, true},
		"the context has ended": {func(t *testing.T, c *Client) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return c.Write(ctx, at(t, c), never)
		}, context.Canceled, true},
		"its function fails": {func(t *testing.T, c *Client) error {
			return c.Write(t.Context(), at(t, c), func(context.Context, *Write) error { return broken })
		}, broken, false},
		"another becomes primary": {func(t *testing.T, c *Client) error {
			return c.Write(t.Context(), at(t, c), func(ctx context.Context, _ *Write) error {
				c.publish(configured(6, other))
				<-ctx.Done() // the function is told
				return nil
			})
		}, ErrNotPrimary, false},
		"too few when it is done": {func(t *testing.T, c *Client) error {
			return c.Write(t.Context(), at(t, c), func(context.Context, *Write) error {
				c.publish(configured(6, few))
				return nil
			})
		}, ErrTooFewInSync, false},
		"a replica starts again meanwhile": {func(t *testing.T, c *Client) error {
			return c.Write(t.Context(), at(t, c), func(context.Context, *Write) error {
				m := configured(6, nil)
				m.Nodes[1].Incarnation++
				c.publish(m)
				return nil
			})
		}, nil, false},
		"the context ends meanwhile": {func(t *testing.T, c *Client) error {
			ctx, cancel := context.WithCancel(t.Context())
			return c.Write(ctx, at(t, c), func(_ context.Context, w *Write) error {
				w.Failed(w.Targets()[0])
				cancel()
				return nil
			})
		}, context.Canceled, false},
		"the client is closed meanwhile": {func(t *testing.T, c *Client) error {
			return c.Write(t.Context(), at(t, c), func(_ context.Context, w *Write) error {
				w.Failed(w.Targets()[0])
				c.cancel()
				return nil
			})
		}, errClosed, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.do(t, primary(t))
			if err == nil || test.want != nil && !errors.Is(err, test.want) || errors.Is(err, ErrOutcomeUnknown) == test.not {
				t.Errorf("%v", err)
			}
		})
	}
}

// An epoch has only so many sequences. The next epoch has new ones.
func TestSequencesOfAnEpochRunOut(t *testing.T) {
	t.Parallel()
	c := primary(t)
	l, err := c.leading.leadership(0)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.last = 6<<sequenceBits - 2
	last := write(t, c).Sequence
	done := make(chan *Write)
	go func() { done <- write(t, c) }()
	if got := proposed(t, c); len(got) != 2 {
		t.Errorf("proposed %v: another epoch was wanted", got)
	}
	c.publish(configured(6, nil))
	if w := <-done; w.Sequence <= last || w.Epoch != 6 {
		t.Errorf("%d in epoch %d after %d", w.Sequence, w.Epoch, last)
	}
}

// A leadership that ends and begins again gives no sequence twice, also where the map
// went back.
func TestNoSequenceIsGivenTwice(t *testing.T) {
	t.Parallel()
	c := primary(t)
	c.publish(configured(6, nil))
	last := write(t, c).Sequence
	c.publish(configured(5, nil)) // the coordinators were restored
	l, err := c.leading.leadership(0)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if next := l.next(); next != 0 && next <= last {
		t.Errorf("%d after %d", next, last)
	}
}

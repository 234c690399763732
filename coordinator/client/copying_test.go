package client_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// logged is what a client logs.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// A program with nothing to copy says so; its learners are proposed without a hook.
func TestAProgramWithNothingToCopyIsProposedAtOnce(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	out(t, nodes[2], nodes[0])
	var log logged
	c := wiped(g, 3)
	c.NothingToCopy, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
	join(t, c)
	trio.Eventually(t, "n3 to be in sync", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 8 })
	if !log.has("nothing to copy") {
		t.Error("it was not told that it counts at once")
	}
}

// A program that has registered no hook may do so later: until then it stays a learner,
// and is told.
func TestALearnerWithoutHooksStaysOne(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	out(t, nodes[2], nodes[0])
	var log logged
	c := wiped(g, 3)
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	n3 := join(t, c)
	trio.Eventually(t, "it to be told", func() bool {
		for i := range n3.Map().Partitions { // not even in the primary's name
			p := &n3.Map().Partitions[i]
			self, _ := n3.Self()
			n3.Propose(partition.Change{
				Partition: p.ID, Epoch: p.Epoch, Primary: p.Primary, Proposer: p.Primary, Reason: "test",
				Replicas: append(slices.Clone(p.Replicas), partition.Replica{Node: "n3", Store: n3.Store()}),
				Added:    []partition.Added{{Node: "n3", Start: self.Start()}},
			})
		}
		return log.has("stays a learner")
	})
	if got := len(nodes[0].GetPartitionsForNode("n3")); got != 0 {
		t.Errorf("in sync in %d partitions, and has copied nothing", got)
	}
	copies(n3)
	trio.Eventually(t, "n3 to be in sync", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 8 })
}

// The primary changes while a learner copies. The copy is void, and the hook is called
// anew to copy from the next one; its sequence is higher.
func TestAnotherPrimaryBeginsTheCopyAnew(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	for _, c := range nodes[:2] {
		copies(c)
	}
	out(t, nodes[2], nodes[0])
	n3 := join(t, wiped(g, 3))
	p, err := nodes[0].GetPartition("k")
	if err != nil {
		t.Fatal(err)
	}
	calls := make(chan client.PartitionEvent, 100)
	n3.OnPartitionEvent(func(ctx context.Context, e client.PartitionEvent) error {
		if e.Partition != p.Number {
			return nil
		}
		calls <- e
		<-ctx.Done()
		return nil // too late
	})
	first := <-calls
	old := primaryOf(t, nodes[:2], p.Number)
	now, err := old.GetPartitionByID(p.Number)
	if err != nil {
		t.Fatal(err)
	}
	change := withPrimary(now, old.GetReplicas(now)[0].ID)
	trio.Eventually(t, "the next primary", func() bool {
		old.Propose(change)
		later, err := old.GetPartitionByID(p.Number)
		return err == nil && later.Epoch > now.Epoch
	})
	second := <-calls
	if second.CopyFrom.ID == first.CopyFrom.ID || second.Sequence <= first.Sequence || second.Epoch <= first.Epoch {
		t.Errorf("from %s as of %d, then from %s as of %d", first.CopyFrom.ID, first.Sequence, second.CopyFrom.ID, second.Sequence)
	}
	if later, err := nodes[0].GetPartitionByID(p.Number); err != nil || slices.Contains(names(nodes[0].GetReplicas(later)), "n3") {
		t.Errorf("in sync without a copy: %v", err)
	}
}

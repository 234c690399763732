package client_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// copyOf is what one node stores of all partitions: values with their sequences.
type copyOf struct {
	c  *client.Client
	mu sync.Mutex
	is map[string]stored
}

type stored struct {
	sequence uint64
	value    string
}

// store takes one value of a write or a copy, as a receiver does.
func (s *copyOf) store(id partition.ID, epoch partition.Epoch, key string, v stored) error {
	p, err := s.c.GetPartitionByID(id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.c.Accept(p, epoch); err != nil {
		return err
	}
	if s.is[key].sequence < v.sequence {
		s.is[key] = v
	}
	return nil
}

func (s *copyOf) get(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is[key].value
}

// of is a copy of what it has of one partition.
func (s *copyOf) of(id partition.ID) map[string]stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := maps.Clone(s.is)
	maps.DeleteFunc(out, func(key string, _ stored) bool { return partition.OfString(key, 8) != id })
	return out
}

// program is the nodes of a cluster, each with what it stores.
type program struct {
	mu    sync.Mutex
	nodes map[partition.NodeID]*copyOf
}

func programOf(nodes ...*client.Client) *program {
	g := &program{nodes: map[partition.NodeID]*copyOf{}}
	for _, c := range nodes {
		g.add(c)
	}
	return g
}

func (g *program) add(c *client.Client) *copyOf {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &copyOf{c: c, is: map[string]stored{}}
	g.nodes[c.NodeID()] = s
	return s
}

func (g *program) at(id partition.NodeID) *copyOf {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.nodes[id]
}

// copies has a node copy what it is to copy.
func (g *program) copies(s *copyOf) {
	s.c.OnPartitionEvent(func(_ context.Context, e client.PartitionEvent) error {
		for key, v := range g.at(e.CopyFrom.ID).of(e.Partition) {
			if err := s.store(e.Partition, e.Epoch, key, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// put writes a key at a node, which must be its primary. Dead nodes fail.
func (g *program) put(ctx context.Context, at *copyOf, key, value string, dead ...partition.NodeID) error {
	p, err := at.c.GetPartition(key)
	if err != nil {
		return err
	}
	return at.c.Write(ctx, p, func(_ context.Context, w *client.Write) error {
		v := stored{w.Sequence, value}
		for _, n := range w.Targets() {
			if slices.Contains(dead, n.ID) {
				w.Failed(n)
			} else if err := g.at(n.ID).store(p.Number, w.Epoch, key, v); err != nil {
				return err
			}
		}
		return at.store(p.Number, w.Epoch, key, v)
	})
}

// untilPut puts at whichever node is primary, until it is acknowledged.
func (g *program) untilPut(t *testing.T, key, value string, dead ...partition.NodeID) {
	t.Helper()
	trio.Eventually(t, key+" to be written", func() bool {
		g.mu.Lock()
		all := slices.Collect(maps.Values(g.nodes))
		g.mu.Unlock()
		for _, s := range all {
			if slices.Contains(dead, s.c.NodeID()) {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := g.put(ctx, s, key, value, dead...)
			cancel()
			if err == nil {
				return true
			}
		}
		return false
	})
}

// out closes a node's client, and waits until it is in sync nowhere.
func out(t *testing.T, c, seenBy *client.Client) {
	t.Helper()
	_ = c.Close()
	trio.Eventually(t, "it to be taken out", func() bool { return len(seenBy.GetPartitionsForNode(c.NodeID())) == 0 })
}

// wiped is the configuration of a node that lost its disk.
func wiped(g *trio.Group, n int) client.Config {
	c := config(g, n)
	c.Store, c.Start = partition.StoreID(900+n), partition.Start{Incarnation: 5, ID: 5}
	return c
}

// A write is acknowledged after a learner's hook has copied, and before it has
// returned. The learner becomes a replica, and at last the primary: it must have it.
func TestANewReplicaHasWhatWasWrittenWhileItCopied(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	all := programOf(nodes...)
	out(t, nodes[2], nodes[0])
	all.untilPut(t, "before", "1", "n3")

	n3 := all.add(join(t, wiped(g, 3)))
	p, err := nodes[0].GetPartition("during")
	if err != nil {
		t.Fatal(err)
	}
	copied, goOn := make(chan bool), make(chan bool)
	var once sync.Once
	all.copies(n3)
	n3.c.OnPartitionEvent(func(_ context.Context, e client.PartitionEvent) error { // called when that has copied
		if e.Partition == p.Number {
			once.Do(func() { close(copied) })
			<-goOn
		}
		return nil
	})
	<-copied
	all.untilPut(t, "during", "2")
	close(goOn)
	trio.Eventually(t, "n3 to be in sync again", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 8 })
	_ = nodes[0].Close()
	_ = nodes[1].Close()
	trio.Eventually(t, "n3 to be primary", func() bool {
		p, err := n3.c.GetPartition("during")
		return err == nil && n3.c.IsPrimary(p)
	})
	for key, want := range map[string]string{"before": "1", "during": "2"} {
		if got := n3.get(key); got != want {
			t.Errorf("n3 is primary; what was acknowledged for %q as %q it has as %q", key, want, got)
		}
	}
}

// A write that began before the primary knew of the learner goes to the others only.
// The copy must not begin before it has ended; writes from then on go to the learner.
func TestACopyIsOpenedWhenEarlierWritesHaveEnded(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	all := programOf(nodes...)
	out(t, nodes[2], nodes[0])
	p, err := nodes[0].GetPartition("k")
	if err != nil {
		t.Fatal(err)
	}
	primary := all.at(primaryOf(t, nodes[:2], p.Number).NodeID())
	if p, err = primary.c.GetPartition("k"); err != nil {
		t.Fatal(err)
	}
	began, goOn, ended := make(chan uint64), make(chan bool), make(chan error)
	go func() {
		ended <- primary.c.Write(t.Context(), p, func(_ context.Context, w *client.Write) error {
			defer func() { <-goOn }()
			began <- w.Sequence
			return primary.store(p.Number, w.Epoch, "k", stored{w.Sequence, "early"})
		})
	}()
	early := <-began

	n3 := all.add(join(t, wiped(g, 3)))
	called := make(chan client.PartitionEvent, 100)
	n3.c.OnPartitionEvent(func(_ context.Context, e client.PartitionEvent) error {
		called <- e
		return nil
	})
	trio.Eventually(t, "new writes to go to the learner", func() bool {
		var targets []*client.Node
		now, err := primary.c.GetPartitionByID(p.Number)
		if err == nil {
			err = primary.c.Write(t.Context(), now, func(_ context.Context, w *client.Write) error {
				targets = w.Targets()
				return nil
			})
		}
		return err == nil && slices.Contains(names(targets), "n3")
	})
	trio.Eventually(t, "the other partitions", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 7 })
	for len(called) > 0 {
		if e := <-called; e.Partition == p.Number {
			t.Fatal("the copy was opened while a write from before was open")
		}
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Fatalf("an epoch with one learner more failed a write: %v", err)
	}
	for e := range called {
		if e.Partition != p.Number {
			continue
		}
		if e.Sequence <= early {
			t.Errorf("write %d had ended when copy %d was opened", early, e.Sequence)
		}
		break
	}
	trio.Eventually(t, "the last partition", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 8 })
}

// A replica does not take a write. It is acknowledged when the map is without that
// replica, and not before; meanwhile no other write begins.
func TestAFailedReplicaIsTakenOutBeforeTheWriteIsAcknowledged(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	all := programOf(nodes...)
	for _, c := range nodes {
		all.copies(all.at(c.NodeID()))
	}
	p, err := nodes[0].GetPartition("k")
	if err != nil {
		t.Fatal(err)
	}
	primary := all.at(primaryOf(t, nodes, p.Number).NodeID())
	failed := primary.c.GetReplicas(p)[0].ID
	g.Stop(g.IDs...) // nobody can take it out now
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := all.put(ctx, primary, "k", "1", failed); !errors.Is(err, client.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("acknowledged although %s is in sync and does not have it: %v", failed, err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := all.put(ctx, primary, "other", "1"); errors.Is(err, client.ErrOutcomeUnknown) || err == nil && partition.OfString("other", 8) == p.Number {
		t.Errorf("another write began: %v", err)
	}
	g.Start()
	all.untilPut(t, "k", "2", failed)
	now, err := primary.c.GetPartitionByID(p.Number)
	if err != nil || now.Epoch == p.Epoch {
		t.Errorf("acknowledged in epoch %d: %v", now.Epoch, err)
	}
	trio.Eventually(t, "it to be in sync again", func() bool {
		now, err := primary.c.GetPartitionByID(p.Number)
		return err == nil && len(now.Configuration.Replicas) == 3
	})
	if got := all.at(failed).get("k"); got != "2" {
		t.Errorf("%s is in sync and has %q", failed, got)
	}
}

// A learner that does not take a write holds nothing up, and copies again.
func TestAFailedLearnerBeginsAnew(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	all := programOf(nodes...)
	out(t, nodes[2], nodes[0])
	n3 := all.add(join(t, wiped(g, 3)))
	p, err := nodes[0].GetPartition("k")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan client.PartitionEvent, 100)
	n3.c.OnPartitionEvent(func(ctx context.Context, e client.PartitionEvent) error {
		if e.Partition != p.Number {
			return nil
		}
		called <- e
		<-ctx.Done() // a copy that is void ends
		return ctx.Err()
	})
	first := <-called
	begin := time.Now()
	all.untilPut(t, "k", "1", "n3")
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("a learner held a write up for %v", took)
	}
	second := <-called
	if second.Sequence <= first.Sequence {
		t.Errorf("copy %d follows %d", second.Sequence, first.Sequence)
	}
}

// Sequences order all writes of a partition, whoever was primary.
func TestSequencesGrowAcrossPrimaries(t *testing.T) {
	t.Parallel()
	_, nodes := cluster(t)
	p, err := nodes[0].GetPartition("k")
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for turn := range 6 {
		primary := nodes[0]
		trio.Eventually(t, "a write", func() bool {
			for _, c := range nodes {
				now, err := c.GetPartitionByID(p.Number)
				if err != nil {
					t.Fatal(err)
				}
				err = c.Write(t.Context(), now, func(_ context.Context, w *client.Write) error {
					if w.Sequence <= last {
						t.Errorf("%s in epoch %d gives %d after %d", c.NodeID(), w.Epoch, w.Sequence, last)
					}
					last = w.Sequence
					return nil
				})
				if err == nil {
					primary = c
					return true
				}
			}
			return false
		})
		now, err := primary.GetPartitionByID(p.Number)
		if err != nil {
			t.Fatal(err)
		}
		next := primary.NodeID() // the same again, in a higher epoch
		if turn%2 == 0 {
			next = primary.GetReplicas(now)[turn/2%2].ID
		}
		change := withPrimary(now, next)
		trio.Eventually(t, "the next epoch", func() bool {
			primary.Propose(change)
			later, err := primary.GetPartitionByID(p.Number)
			return err == nil && later.Epoch > now.Epoch
		})
	}
}

// withPrimary is the change that makes another replica primary.
func withPrimary(p *client.Partition, id partition.NodeID) partition.Change {
	return partition.Change{Partition: p.Number, Epoch: p.Epoch, Primary: id, Replicas: p.Configuration.Replicas, Reason: "test"}
}

package state

import (
	"errors"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	s := partition.Settings{Partitions: 4, ReplicationFactor: 1, MinInSync: 1, ExpectNodes: 1}
	c := &cluster{t: t, m: New()}
	c.refused(Register{Node: node(1)}, ErrNoCluster)
	c.refused(Create{ClusterID: "c", Settings: s}, ErrInvalid)
	c.refused(Create{ClusterID: "c", Application: "a", Settings: partition.Settings{Partitions: 4}}, ErrInvalid)
	c.ok(Create{ClusterID: "c", Application: "a", Settings: s})
	before := c.m.Map()
	c.ok(Create{ClusterID: "c", Application: "a", Settings: s})
	if c.m.Map() != before {
		t.Error("said twice, the command has changed the map")
	}
	c.refused(Create{ClusterID: "d", Application: "a", Settings: s}, ErrExists)
	c.refused(Create{ClusterID: "c", Application: "b", Settings: s}, ErrExists)
}

func TestPlace(t *testing.T) {
	t.Parallel()
	c := newCluster(t, partition.Settings{Partitions: 8, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}, 4)
	m := c.m.Map()
	place := func(nodes []partition.Node) []partition.Configuration {
		list, err := partition.Place(nodes, m.Settings, func() uint32 { return 7 })
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	wiped := append([]partition.Node(nil), m.Nodes...)
	wiped[0].Store = 999
	c.refused(Place{place(wiped)}, ErrStale)
	c.refused(Place{place(m.Nodes)[:7]}, ErrInvalid)
	late := place(m.Nodes)
	late[3].Epoch = 2
	c.refused(Place{late}, ErrInvalid)
	c.ok(Place{place(m.Nodes)})
	c.refused(Place{place(m.Nodes)}, ErrPlaced)
}

func TestChangeIsCompareAndSet(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	remove := c.change("n1", 1, 2)
	c.ok(remove)
	c.is("2 n1 [n1 n2] [n3] [] []")
	c.refused(remove, ErrStale)
	r := c.apply(remove)
	var stale *StaleError
	if !errors.As(r.Verdicts[0].Err, &stale) || stale.Current.Epoch != 2 || r.Verdicts[0].Current.Epoch != 2 {
		t.Errorf("the refusal does not carry the current entry: %+v", r.Verdicts[0])
	}
	c.ok(c.change("n1", 1, 2)) // only raises the epoch: the way out of C1
	c.is("3 n1 [n1 n2] [n3] [] []")
	c.ok(c.change("n1", 1, 2, 3))
	c.is("4 n1 [n1 n2 n3] [] [] []")
	c.ok(c.change("n2", 1, 2, 3)) // hand-over
	c.is("5 n2 [n1 n2 n3] [] [] []")
}

func TestChangeRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		spoil func(ch *partition.Change)
		want  error
	}{
		{"no such partition", func(ch *partition.Change) { ch.Partition = 1 }, ErrNotPlaced},
		{"epoch of the future", func(ch *partition.Change) { ch.Epoch++ }, ErrStale},
		{"nobody left", func(ch *partition.Change) { ch.Replicas = nil }, ErrInvalid},
		{"not sorted", func(ch *partition.Change) { ch.Replicas = replicas(2, 1) }, ErrInvalid},
		{"twice the same", func(ch *partition.Change) { ch.Replicas = replicas(1, 1) }, ErrInvalid},
		{"no primary", func(ch *partition.Change) { ch.Primary = "" }, ErrNotInSync},
		{"a learner as primary", func(ch *partition.Change) {
			ch.Primary, ch.Replicas, ch.Added = "n3", replicas(1, 2, 3), []partition.Added{{Node: "n3", Start: firstStart(3)}}
		}, ErrNotInSync},
		{"a learner whose start is not said", func(ch *partition.Change) { ch.Replicas = replicas(1, 2, 3) }, ErrNotLearner},
		{"a learner brought up to date in another start", func(ch *partition.Change) {
			ch.Replicas, ch.Added = replicas(1, 2, 3), []partition.Added{{Node: "n3", Start: s(1, 77)}}
		}, ErrNotLearner},
		{"a primary that leaves", func(ch *partition.Change) { ch.Replicas = replicas(2) }, ErrNotInSync},
		{"a node in no role", func(ch *partition.Change) { ch.Replicas = replicas(1, 2, 4) }, ErrNotLearner},
		{"a node that is not there", func(ch *partition.Change) { ch.Replicas = replicas(1, 2, 5) }, ErrUnknownStore},
		{"a kept replica by another store", func(ch *partition.Change) { ch.Replicas[1].Store++ }, ErrUnknownStore},
		{"a learner by another store", func(ch *partition.Change) { ch.Replicas = replicas(1, 2, 3); ch.Replicas[2].Store++ }, ErrUnknownStore},
		{"asked by a stranger", func(ch *partition.Change) { ch.Proposer = "n4" }, ErrNotProposer},
		{"added by a secondary", func(ch *partition.Change) { ch.Proposer, ch.Replicas = "n2", replicas(1, 2, 3) }, ErrNotProposer},
		{"added by the learner itself", func(ch *partition.Change) { ch.Proposer, ch.Replicas = "n3", replicas(1, 2, 3) }, ErrNotProposer},
		{"added by the coordinators", func(ch *partition.Change) { ch.Proposer, ch.Replicas = "", replicas(1, 2, 3) }, ErrNotProposer},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := three(t, 4)
			c.ok(c.change("n1", 1, 2)) // n3 is a learner now
			cmd := c.change("n1", 1, 2)
			test.spoil(&cmd.Changes[0])
			c.refused(cmd, test.want)
		})
	}
}

func TestOneCommandRaisesAnEpochOnce(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	first, second := c.change("n1", 1, 2).Changes[0], c.change("n1", 1, 3).Changes[0]
	next := second
	next.Epoch++
	r := c.apply(Changes{[]partition.Change{first, second, next}})
	if r.Verdicts[0].Err != nil || !errors.Is(r.Verdicts[1].Err, ErrStale) || !errors.Is(r.Verdicts[2].Err, ErrStale) {
		t.Errorf("verdicts %+v", r.Verdicts)
	}
	c.is("2 n1 [n1 n2] [n3] [] []")
}

// One node's failure is answered partition by partition.
func TestFailIsJudgedByPartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t, partition.Settings{Partitions: 3, ReplicationFactor: 2, MinInSync: 1, ExpectNodes: 3}, 3)
	c.ok(Place{[]partition.Configuration{
		{ID: 0, Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1, 2)},
		{ID: 1, Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1, 3)},
		{ID: 2, Epoch: 1, Lineage: 7, Primary: "n2", Replicas: replicas(1, 2)},
	}})
	fail := Fail{Node: "n1", Incarnation: 1, Changes: []partition.Change{
		{Partition: 0, Epoch: 1, Primary: "n2", Replicas: replicas(2), Reason: "silent"},
		{Partition: 1, Epoch: 2, Primary: "n3", Replicas: replicas(3), Reason: "silent"}, // computed too early
		{Partition: 2, Epoch: 1, Primary: "n2", Replicas: replicas(2), Reason: "silent"},
	}}
	r := c.apply(fail)
	if r.Err != nil || r.Verdicts[0].Err != nil || !errors.Is(r.Verdicts[1].Err, ErrStale) || r.Verdicts[2].Err != nil {
		t.Errorf("result %+v", r)
	}
	if c.m.Map().Version != c.index || c.at(0).Primary != "n2" || c.at(1).Primary != "n1" || c.at(2).Epoch != 2 {
		t.Errorf("map %+v", c.m.Map().Partitions)
	}
	events := c.m.Events()
	if e := events[len(events)-1]; e.Kind != "failed" || e.Node != "n1" || e.Partitions != 2 || e.Reason != "silent" {
		t.Errorf("event %+v", e)
	}
	c.ok(c.boot(1))
	c.refused(fail, ErrStale) // it is another boot by now
}

func TestEligible(t *testing.T) {
	t.Parallel()
	t.Run("all that one command removes", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(c.change("n1", 1))
		c.is("2 n1 [n1] [n2 n3] [n2 n3] []")
		c.ok(c.change("n1", 1, 2)) // back at min-in-sync
		c.is("3 n1 [n1 n2] [n3] [] []")
	})
	t.Run("only those since it fell below", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(c.change("n1", 1, 2))
		c.is("2 n1 [n1 n2] [n3] [] []")
		c.ok(c.change("n1", 1))
		c.is("3 n1 [n1] [n2 n3] [n2] []")
		c.ok(c.change("n1", 1)) // only raises
		c.is("4 n1 [n1] [n2 n3] [n2] []")
	})
	t.Run("by later commands too", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, partition.Settings{Partitions: 1, ReplicationFactor: 3, MinInSync: 3, ExpectNodes: 3}, 3)
		c.ok(Place{[]partition.Configuration{{Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1, 2, 3)}}})
		c.ok(c.change("n1", 1, 2))
		c.is("2 n1 [n1 n2] [n3] [n3] []")
		c.ok(c.change("n1", 1))
		c.is("3 n1 [n1] [n2 n3] [n2 n3] []")
		c.ok(c.change("n1", 1, 3)) // still below: who is in sync is not eligible
		c.is("4 n1 [n1 n3] [n2] [n2] []")
		c.ok(c.change("n1", 1, 2, 3))
		c.is("5 n1 [n1 n2 n3] [] [] []")
	})
}

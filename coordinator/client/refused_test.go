package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// refusals notes what a program was told, in order.
type refusals struct {
	mu     sync.Mutex
	events []string
	last   *client.RefusedError
}

func (r *refusals) watch(c *client.Config) {
	c.OnFenced = func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, "fenced")
		if !errors.Is(err, client.ErrFenced) {
			r.events = append(r.events, err.Error())
		}
	}
	c.OnRefused = func(err *client.RefusedError) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events, r.last = append(r.events, "refused"), err
	}
}

func (r *refusals) told() (string, *client.RefusedError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.events, " "), r.last
}

// owned counts the partitions, looked up before, that a program takes for its own.
func owned(c *client.Client, looked []*client.Partition) (primary, replica int) {
	for _, p := range looked {
		if c.IsPrimary(p) {
			primary++
		}
		if c.IsReplica(p) {
			replica++
		}
	}
	return primary, replica
}

// Two programs run under one ID. The coordinators accept one of them at a time:
// the other must not believe that the node's partitions are its own.
func TestOfTwoProgramsWithOneIDOneActsAsTheNode(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]func(*client.Config){
		"without a store":          func(c *client.Config) { c.Store, c.Start = 0, partition.Start{} },
		"with another store":       func(c *client.Config) { c.Store = 999 },
		"with a copy of the store": func(c *client.Config) { c.Accepted, c.Start = c.Start, partition.Start{Incarnation: 2, ID: 77} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := trio.New(t, 3)
			g.Start()
			var told refusals
			one := config(g, 1)
			told.watch(&one)
			nodes := []*client.Client{join(t, one), join(t, config(g, 2)), join(t, config(g, 3))}
			placed(t, nodes...)
			first := nodes[0]
			looked := first.GetPartitionsForNode("n1")
			if p, r := owned(first, looked); p+r == 0 {
				t.Fatal("the first program has nothing to lose")
			}

			two := config(g, 1) // the same addresses
			second(&two)
			refusedWhileHeard(t, two)
			two.Network = g.Network.Host("n1b")
			cutOff(t, g, nodes[1], "n1")
			accepted := join(t, two)
			g.Network.HealAll()

			trio.Eventually(t, "the first program is refused", func() bool { _, last := told.told(); return last != nil })
			events, last := told.told()
			if events != "fenced refused" || last.Waits || last.Removed || !strings.Contains(last.Reason, "another start") {
				t.Errorf("%s, %+v", events, last)
			}
			for name, err := range map[string]error{
				"GetPartition":     failure(first.GetPartition("key")),
				"GetPartitionByID": failure(first.GetPartitionByID(0)),
				"Err":              first.Err(),
				"Fenced":           first.Fenced(),
			} {
				var refused *client.RefusedError
				if !errors.Is(err, client.ErrFenced) || !errors.As(err, &refused) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if p, r := owned(first, looked); p+r > 0 || len(first.GetPartitionsForNode("n1")) > 0 {
				t.Errorf("the refused program is primary of %d and replica of %d", p, r)
			}
			if _, err := accepted.GetPartition("key"); err != nil || accepted.Err() != nil {
				t.Errorf("the accepted program: %v, %v", err, accepted.Err())
			}
			// The refused one does not take the place back.
			m := accepted.Map()
			if n, _ := m.Node("n1"); n.Store != accepted.Store() {
				t.Errorf("the map has %+v", n)
			}
		})
	}
}

// refusedWhileHeard wants the second of two programs to be refused: the coordinators
// hear the first.
func refusedWhileHeard(t *testing.T, second client.Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), trio.Patience)
	defer cancel()
	c, err := client.Join(ctx, second)
	var refused *client.RefusedError
	if !errors.As(err, &refused) || refused.Waits || !strings.Contains(refused.Reason, "twin") {
		t.Errorf("%v, want a refusal", err)
	}
	if err == nil {
		_ = c.Close()
	}
}

// cutOff cuts a node off from all coordinators, until they suspect it.
func cutOff(t *testing.T, g *trio.Group, other *client.Client, node partition.NodeID) {
	t.Helper()
	for _, id := range g.IDs {
		g.Network.CutBoth(string(node), id)
	}
	trio.Eventually(t, string(node)+" to be suspected", func() bool { return slices.Contains(other.Cluster().Suspected, node) })
}

func failure[A any](_ A, err error) error { return err }

// A program is fenced before anybody can see the map that names another start.
func TestAFencedProgramIsToldBeforeItsMapShowsTheOther(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 1)
	g.Settings = partition.Settings{Partitions: 4, ReplicationFactor: 1}
	g.Start()
	var first *client.Client
	var ready sync.WaitGroup
	ready.Add(1)
	seen := make(chan uint64, 1)
	one := config(g, 1)
	one.OnFenced = func(error) {
		ready.Wait()
		n, _ := first.Self()
		seen <- n.Incarnation
	}
	first = join(t, one)
	ready.Done()
	placed(t, first)
	two := config(g, 1)
	two.Accepted, two.Start = two.Start, partition.Start{Incarnation: 2, ID: 77}
	two.Network = g.Network.Host("n1b")
	ctx, cancel := context.WithTimeout(t.Context(), trio.Patience)
	defer cancel()
	follower, err := client.Follow(ctx, client.FollowConfig{Coordinators: g.Addrs(), Network: g.Network.Host("f")})
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	cutOff(t, g, follower, "n1")
	join(t, two)
	g.Network.HealAll()
	if got := <-seen; got != 1 {
		t.Errorf("the map had incarnation %d already", got)
	}
}

// A condition that ends by itself, or that an operator ends, does not refuse a
// program for good: it waits, and says for what.
func TestAProgramWaitsForAnAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	first := nodes[0]
	two := config(g, 9)
	two.PeerAddr = "n1:7071"
	waits := make(chan *client.RefusedError, 1)
	two.OnRefused = func(err *client.RefusedError) {
		select {
		case waits <- err:
		default:
		}
	}
	joined := make(chan error, 1)
	go func() {
		c, err := client.Join(t.Context(), two)
		if err == nil {
			err = c.Close()
		}
		joined <- err
	}()
	var err *client.RefusedError
	trio.Eventually(t, "it is told to wait", func() bool {
		select {
		case err = <-waits:
			return true
		default:
			return false
		}
	})
	if !err.Waits || errors.Is(err, client.ErrFenced) || !strings.Contains(err.Error(), "n1:7071") {
		t.Errorf("%v", err)
	}
	select {
	case err := <-joined:
		t.Fatalf("it gave up: %v", err)
	default:
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-joined; err != nil {
		t.Error(err)
	}
}

// The coordinators refuse a program before it was accepted: it must not act as
// the node whose ID it has.
func TestAProgramThatIsRefusedForGoodIsFenced(t *testing.T) {
	t.Parallel()
	g, _ := cluster(t)
	var told refusals
	c := config(g, 9)
	c.NodeID, c.Store = "n2", 77
	told.watch(&c)
	_, err := client.Join(t.Context(), c)
	if !errors.Is(err, client.ErrFenced) {
		t.Errorf("%v", err)
	}
	if events, last := told.told(); events != "fenced refused" || last.Waits {
		t.Errorf("%s, %+v", events, last)
	}
}

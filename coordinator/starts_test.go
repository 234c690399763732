package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// program is a node on a data directory with that history.
func program(g *trio.Group, n int, start partition.Start, accepted partition.Start, since ...partition.Start) client.Config {
	id := fmt.Sprintf("n%d", n)
	return client.Config{
		NodeID: partition.NodeID(id), Coordinators: g.Addrs(), PeerAddr: id + ":1", HTTPAddr: id + ":2",
		Store: partition.StoreID(100 + n), Start: start, Accepted: accepted, Since: since, ProposesItself: true, Network: g.Network.Host(id),
	}
}

func tryJoin(t *testing.T, c client.Config, patience time.Duration) (*client.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	joined, err := client.Join(ctx, c)
	if err == nil {
		t.Cleanup(func() { _ = joined.Close() })
	}
	return joined, err
}

// refusedWith joins, and wants to be refused with that text.
func refusedWith(t *testing.T, c client.Config, want string) *client.RefusedError {
	t.Helper()
	_, err := tryJoin(t, c, trio.Patience)
	var refused *client.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reason, want) {
		t.Fatalf("%v, want a refusal with %q", err, want)
	}
	return refused
}

func start(counter uint64, id partition.StartID) partition.Start {
	return partition.Start{Incarnation: counter, ID: id}
}

func oneNode(t *testing.T) (*trio.Group, *coordinator.Coordinator) {
	t.Helper()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 4, ReplicationFactor: 1}
	g.Start()
	return g, g.Leader()
}

// A start is accepted before Join returns, and noted as such.
func TestAnAcceptedStartIsNoted(t *testing.T) {
	t.Parallel()
	g, _ := oneNode(t)
	config := program(g, 1, start(1, 11), partition.Start{})
	failed := errors.New("the disk is full")
	config.OnAccepted = func(uint64) error { return failed }
	if _, err := tryJoin(t, config, trio.Patience); !errors.Is(err, failed) {
		t.Fatalf("%v, want the error of OnAccepted", err)
	}
	noted := 0
	config.OnAccepted = func(uint64) error { noted++; return nil }
	if _, err := tryJoin(t, config, trio.Patience); err != nil || noted != 1 {
		t.Fatalf("%v, noted %d times", err, noted)
	}
}

// A directory from before the last start is refused, by name.
func TestARestoredDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	g, leader := oneNode(t)
	first, err := tryJoin(t, program(g, 1, start(1, 11), partition.Start{}), trio.Patience)
	if err != nil {
		t.Fatal(err)
	}
	trio.Eventually(t, "placement", func() bool { return leader.Map().Placed() })
	_ = first.Close()
	second, err := tryJoin(t, program(g, 1, start(2, 22), start(1, 11)), trio.Patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
	refusedWith(t, program(g, 1, start(2, 99), start(1, 11)), "restored from an earlier copy")
	if n, _ := leader.Map().Node("n1"); n.Start() != start(2, 22) || !leader.Map().Partitions[0].InSync("n1") {
		t.Errorf("the map has changed: %+v", n)
	}
}

// Of two processes on copies of one directory the first stays, while it is heard;
// the second has the place once the first is silent.
func TestACopyElsewhereWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	g, leader := oneNode(t)
	first, err := tryJoin(t, program(g, 1, start(1, 11), partition.Start{}), trio.Patience)
	if err != nil {
		t.Fatal(err)
	}
	twin := program(g, 1, start(2, 22), start(1, 11))
	twin.PeerAddr = "elsewhere:1"
	refusedWith(t, twin, "n1:1, or a twin of it")
	_ = first.Close()
	// It has the only copy of everything here: the operator says which directory is right.
	refusedWith(t, twin, "holdfast accept-start n1")
	var done coordinator.Ordered
	if code := ask(t, leader, "POST", "/v1/nodes/n1/accept-start", "", &done); code != 200 || !done.Done {
		t.Fatalf("%d %+v", code, done)
	}
	if _, err := tryJoin(t, twin, trio.Patience); err != nil {
		t.Fatal(err)
	}
	if n, _ := leader.Map().Node("n1"); n.Start() != twin.Start || n.PeerAddr != "elsewhere:1" {
		t.Errorf("the map has %+v", n)
	}
}

// Two histories of one store: the operator chooses, and the next start goes on.
func TestTheOperatorChoosesAHistory(t *testing.T) {
	t.Parallel()
	g, leader := oneNode(t)
	first, err := tryJoin(t, program(g, 1, start(1, 11), partition.Start{}), trio.Patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	var p problem
	if code := ask(t, leader, "POST", "/v1/nodes/n1/accept-start", "", &p); code != 409 || !strings.Contains(p.Detail, "no start of the node waits") {
		t.Fatalf("%d %+v", code, p)
	}
	refused := refusedWith(t, program(g, 1, start(2, 88), start(1, 77)), "holdfast accept-start n1")
	if refused.Above != 2 {
		t.Errorf("the next start is to be above %d", refused.Above)
	}
	if code := ask(t, leader, "POST", "/v1/nodes/n1/accept-start", `{"store_id":"0000000000000009"}`, &p); code != 409 {
		t.Fatalf("%d %+v", code, p)
	}
	var done coordinator.Ordered
	if code := ask(t, leader, "POST", "/v1/nodes/n1/accept-start", `{"store_id":"0000000000000065"}`, &done); code != 200 || !done.Done {
		t.Fatalf("%d %+v", code, done)
	}
	chosen, err := tryJoin(t, program(g, 1, start(refused.Above+1, 99), start(1, 77), start(2, 88)), trio.Patience)
	if err != nil {
		t.Fatal(err)
	}
	refusedWith(t, program(g, 1, start(2, 55), start(1, 11)), "n1:1, or a twin of it") // the same address, as a clone has
	_ = chosen.Close()
	refusedWith(t, program(g, 1, start(2, 55), start(1, 11)), "restored from an earlier copy")
}

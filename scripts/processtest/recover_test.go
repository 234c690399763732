package processtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// headless returns the partitions that have no primary, as the coordinators say.
func headless(t *testing.T, c *cluster.Cluster) (out []string) {
	t.Helper()
	var list mapjson.Partitions
	eventually(t, time.Minute, "a coordinator answers", func() error {
		return c.Coordinators[0].Ask(t.Context(), "/v1/partitions", &list)
	})
	for _, p := range list.Partitions {
		if p.Primary == "" {
			out = append(out, p.ID.String())
		}
	}
	return out
}

// inSync waits until every partition has so many replicas in sync.
func inSync(t *testing.T, c *cluster.Cluster, want int) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("%d replicas in sync of each partition", want), func() error {
		var list mapjson.Partitions
		if err := c.Coordinators[0].Ask(t.Context(), "/v1/partitions", &list); err != nil {
			return err
		}
		for _, p := range list.Partitions {
			if len(p.Replicas) != want {
				return fmt.Errorf("%v has %v in sync", p.ID, p.Replicas)
			}
		}
		return nil
	})
}

// The last replica in sync is lost, and one that was removed below min-in-sync is
// there: it has everything that was acknowledged, and the operator promotes it.
func TestPartitionsAreRecovered(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Nodes: 3, Partitions: 8})
	keys := fill(t, c, "before")
	n1, n2, n3 := c.Member("n1"), c.Member("n2"), c.Member("n3")
	must(t, n3.Kill())
	keys = append(keys, fill(t, c, "without-n3")...)
	inSync(t, c, 2)
	must(t, n2.Kill())
	inSync(t, c, 1) // below min-in-sync: nothing is acknowledged any more
	must(t, n1.Kill(), n1.Wipe(), n1.Start(), n2.Start(), n3.Start())
	eventually(t, time.Minute, "every partition waits for the operator", func() error {
		if got := headless(t, c); len(got) != 8 {
			return fmt.Errorf("without a primary are %v", got)
		}
		return nil
	})
	if code, out := say(t, c, "status"); code != 6 {
		t.Errorf("status of a cluster without primaries: exit code %d: %s", code, out)
	}
	for _, id := range headless(t, c) {
		eventually(t, time.Minute, "n2 is live, and the copy there is promoted", func() error {
			if code, out := say(t, c, "recover", "--partition", id); code != 0 || !strings.Contains(out, "n2") {
				return fmt.Errorf("recover %s: exit code %d: %s", id, code, out)
			}
			return nil
		})
	}
	whole(t, c)
	have(t, c, append(keys, fill(t, c, "after")...))
}

// All disks in sync are lost, more than the cluster survives. What is left is an older
// copy: recover refuses it, and unsafe-recover says first what that loses.
func TestPartitionsAreRecoveredUnsafely(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Nodes: 3, Partitions: 8})
	keys := fill(t, c, "before")
	n1, n2, n3 := c.Member("n1"), c.Member("n2"), c.Member("n3")
	must(t, n3.Kill())
	fill(t, c, "without-n3")
	inSync(t, c, 2)
	must(t, n1.Kill(), n2.Kill(), n1.Wipe(), n2.Wipe(), n1.Start(), n2.Start(), n3.Start())
	eventually(t, time.Minute, "every partition waits for the operator", func() error {
		if got := headless(t, c); len(got) != 8 {
			return fmt.Errorf("without a primary are %v", got)
		}
		return nil
	})
	for _, id := range headless(t, c) {
		if code, out := say(t, c, "recover", "--partition", id); code != 3 {
			t.Errorf("recover %s, of which only an old copy is left: exit code %d: %s", id, code, out)
		}
		// The emptied copies of n1 and n2 are chosen at no time, although n3 may come last.
		eventually(t, time.Minute, "the copy on n3 is offered", func() error {
			code, out := say(t, c, "unsafe-recover", "--partition", id)
			if code == 4 && !strings.Contains(out, "the copy on n3 would become the primary. What this may lose") {
				t.Fatalf("unsafe-recover %s without a yes: %s", id, out)
			}
			if code != 4 {
				return fmt.Errorf("unsafe-recover %s without a yes: exit code %d: %s", id, code, out)
			}
			return nil
		})
		if code, out := say(t, c, "unsafe-recover", "--partition", id, "--yes"); code != 0 || !strings.Contains(out, "n3") {
			t.Errorf("unsafe-recover %s: exit code %d: %s", id, code, out)
		}
	}
	whole(t, c)
	have(t, c, append(keys, fill(t, c, "after")...))
}

package coordinator_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
)

// sameCluster waits until all running members have the same map.
func sameCluster(t *testing.T, g *trio.Group) string {
	t.Helper()
	id := g.Leader().Map().ClusterID
	trio.Eventually(t, "everybody to have the leader's map", func() bool {
		for _, m := range g.IDs {
			if c := g.Member(m); c != nil && c.Map().ClusterID != id {
				return false
			}
		}
		return true
	})
	return id
}

func TestFirstStartInAnyOrderThenRestartInAnyOrder(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start("c3", "c1", "c2")
	id := sameCluster(t, g)
	g.Stop("c1", "c2", "c3")
	g.Start("c2", "c3") // a majority is enough from the second start on
	if again := sameCluster(t, g); again != id {
		t.Errorf("cluster %s became %s", id, again)
	}
	g.Start("c1")
	sameCluster(t, g)
}

func TestTheGroupIsFoundedOnlyWhenEveryMemberWasHeardOf(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start("c1", "c2")
	g.Stop("c1")
	g.Start("c1") // a crash while waiting changes nothing
	if c := g.Member("c2"); c.Leader() != "" {
		t.Errorf("%s leads a group of two", c.Leader())
	}
	g.Start("c3")
	sameCluster(t, g)
}

// A member that wrote the group down and then crashed, before or after it made
// Raft's files, founds it when it starts again.
func TestCrashWhileTheGroupIsFounded(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(t *testing.T, dir string){
		"before Raft's files": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "raft.db")); err != nil {
				t.Fatal(err)
			}
		},
		"after Raft's files": func(*testing.T, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := trio.New(t, 3)
			g.Start()
			sameCluster(t, g)
			g.Stop("c2")
			path := filepath.Join(g.Dir("c2"), "member.json")
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			before := strings.Replace(string(raw), `"started": true,`, "", 1)
			before = before[:strings.Index(before, `"cluster_id"`)]
			before = strings.TrimRight(before, " \n,") + "\n}\n"
			if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			crash(t, g.Dir("c2"))
			g.Start("c2")
			sameCluster(t, g)
		})
	}
}

func TestAnEmptiedMemberIsRefused(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	sameCluster(t, g)
	g.Stop("c3")
	g.Wipe("c3")
	_, err := g.TryStart("c3")
	if !errors.Is(err, coordinator.ErrEmptied) || !strings.Contains(err.Error(), "the directory of c3") {
		t.Fatalf("started, or without the way out: %v", err)
	}

	// With nobody there to ask, it waits, and is refused as soon as one is.
	g.Stop("c1", "c2")
	c, err := g.TryStart("c3")
	if err != nil {
		t.Fatal(err)
	}
	g.Start("c1")
	<-c.Done()
	if !errors.Is(c.Err(), coordinator.ErrEmptied) {
		t.Errorf("stopped with %v", c.Err())
	}
}

func TestRaftsFilesGoneIsADamagedDirectory(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	sameCluster(t, g)
	g.Stop("c3")
	if err := os.Remove(filepath.Join(g.Dir("c3"), "raft.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.TryStart("c3"); !errors.Is(err, coordinator.ErrEmptied) {
		t.Errorf("without raft.db: %v", err)
	}
	if err := os.Remove(filepath.Join(g.Dir("c3"), "member.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.Dir("c3"), "raft.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.TryStart("c3"); err == nil {
		t.Error("started without member.json")
	}
}

func TestSettingsThatDisagreeAreRefusedWithBothValues(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	sameCluster(t, g)
	trio.Eventually(t, "c3 to write the settings down", func() bool {
		raw, err := os.ReadFile(filepath.Join(g.Dir("c3"), "member.json"))
		return err == nil && strings.Contains(string(raw), "cluster_id")
	})
	g.Stop("c3")
	g.Settings.Partitions, g.Settings.ReplicationFactor, g.Application = 16, 0, "other"
	_, err := g.TryStart("c3")
	if err == nil {
		t.Fatal("started")
	}
	for _, part := range []string{"partitions is given as 16", "created with 8", `"other"`, `"holdfast"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: says nothing of %s", err, part)
		}
	}
	if strings.Contains(err.Error(), "replication-factor") {
		t.Errorf("%v: a setting that was not given", err)
	}
	g.Settings.Partitions, g.Application = 0, ""
	g.Start("c3")
}

// A member whose flags disagree at the very first start finds out when the
// cluster is created with the leader's.
func TestSettingsThatDisagreeAtTheFirstStart(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start("c1", "c2")
	g.Settings.Partitions = 16
	g.Start("c3")
	leader := g.Leader()
	odd := g.Member("c3")
	if leader.ID() == "c3" {
		odd = g.Member("c1")
	}
	<-odd.Done()
	if err := odd.Err(); err == nil || !strings.Contains(err.Error(), "16") || !strings.Contains(err.Error(), "8") {
		t.Errorf("stopped with %v", err)
	}
}

func TestAStoppingLeaderHandsLeadershipOver(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	sameCluster(t, g)
	old := g.Leader().ID()
	g.Stop(old)
	// Closed means handed over: somebody leads, or is about to, without an
	// election timeout.
	next := g.Leader(old)
	if next.Map().ClusterID == "" {
		t.Error("the new leader has no cluster")
	}
}

func TestAnotherLeadsWhenTheLeaderIsCutOff(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	id := sameCluster(t, g)
	old := g.Leader().ID()
	for _, other := range g.IDs {
		if other != old {
			g.Network.CutBoth(old, other)
		}
	}
	if next := g.Leader(old); next.Map().ClusterID != id {
		t.Error("another cluster")
	}
	trio.Eventually(t, "the old leader to step down", func() bool { return !g.Member(old).Leading() })
	g.Network.HealAll()
	trio.Eventually(t, "the old leader to follow", func() bool { return g.Member(old).Leader() != "" && g.Member(old).Leader() != old })
}

func TestOneMemberAlone(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 1)
	g.Settings.ReplicationFactor = 1
	g.Start()
	id := sameCluster(t, g)
	g.Stop("c1")
	g.Start("c1")
	if again := sameCluster(t, g); again != id {
		t.Errorf("cluster %s became %s", id, again)
	}
}

func TestADirectoryIsForOneProcessAndOneMember(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 1)
	g.Settings.ReplicationFactor = 1
	g.Start()
	if _, err := coordinator.Start(g.Config("c1")); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("started twice: %v", err)
	}
	g.Stop("c1")
	other := g.Config("c1")
	other.ID, other.InitialCluster = "c9", map[string]string{"c9": other.PeerAddr}
	if _, err := coordinator.Start(other); err == nil || !strings.Contains(err.Error(), "c1") {
		t.Errorf("started in another's directory: %v", err)
	}
}

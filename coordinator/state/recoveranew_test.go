package state

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// The backup is from before the placement, and one partition's copies are gone: the
// others are not frozen for ever.
func TestRecoverMapPlacesAnewWhatNobodyHas(t *testing.T) {
	t.Parallel()
	settings := partition.Settings{Partitions: 2, ReplicationFactor: 1, MinInSync: 1, ExpectNodes: 2}
	h := backedUp(newCluster(t, settings, 2))
	h.ok(Place{Configurations: []partition.Configuration{
		{ID: 0, Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1)},
		{ID: 1, Epoch: 1, Lineage: 8, Primary: "n2", Replicas: replicas(2)},
	}})
	later := h.restore()
	h.apply(reports(later, 1, false))
	if _, err := h.m.PlanRecovery(nil); !errors.Is(err, ErrNoCopy) || !strings.Contains(err.Error(), "--lost") {
		t.Errorf("%v", err)
	}
	p := h.recoverMap("n2")
	h.is("1048577 n1 [n1] [] [] []")
	if p.Partitions[0].MayLose != "" || !strings.Contains(p.Partitions[1].MayLose, "all of it") {
		t.Errorf("%q, %q", p.Partitions[0].MayLose, p.Partitions[1].MayLose)
	}
	if at := h.at(1); at.Primary != "" || len(at.Replicas) > 0 || len(at.Learners) != 1 || at.Learners[0].Node != "n1" {
		t.Errorf("%+v", at)
	}
	h.ok(UnsafeRecover{Partition: 1, Node: "n1", Lineage: 9, Epoch: h.at(1).Epoch})
}

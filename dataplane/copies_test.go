package dataplane

import "testing"

// Where the coordinators are restored from an old backup, the node registers
// again, and says what its copies have come to, not what it found when it started.
func TestARepeatedRegistrationTellsTheEpochsOfNow(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, 8)
	c.putAll(0, 8, "n1")
	c.kill("n1")
	c.start("n1")
	c.checkAll(0, 8, "n1")
	c.trio.mu.Lock()
	config, m := c.trio.members[0].config, c.trio.current
	c.trio.mu.Unlock()
	if len(config.Copies) != 8 || config.Copies[0].Epoch != 1 {
		t.Fatalf("found %+v", config.Copies)
	}
	copies := config.CurrentCopies(0)
	if len(copies) != 8 {
		t.Fatalf("has %+v", copies)
	}
	for _, have := range copies {
		if p := m.Partitions[have.Partition]; have.Epoch != p.Epoch || have.Lineage != p.Lineage {
			t.Errorf("tells %+v, the map has epoch %d, lineage %d", have, p.Epoch, p.Lineage)
		}
		if p := &m.Partitions[have.Partition]; have.Configuration == nil || !have.Configuration.Equal(p) {
			t.Errorf("tells that it has adopted %+v, the map has %+v", have.Configuration, p)
		}
	}
}

package partition

import (
	"fmt"
	"testing"
)

// large is a settled cluster of 1,000 nodes in ten zones and 65,536 partitions.
func large(b *testing.B, zones int) *Map {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("z%d", i%zones)
	}
	nodes := nodesIn(names...)
	for i := range nodes {
		nodes[i].ID = NodeID(fmt.Sprintf("n%04d", i))
	}
	return settled(b, nodes, settings(65536, 3))
}

func BenchmarkPlan(b *testing.B) {
	for _, zones := range []int{1, 10} {
		m := large(b, zones)
		failed := *m
		failed.Nodes = append([]Node(nil), m.Nodes...)
		failed.Nodes[17].Duty = Replaced
		joined := *m
		joined.Nodes = append(append([]Node(nil), m.Nodes...), Node{ID: "n9999", Store: 99999, Incarnation: 1, Weight: 1, Zone: "z0"})
		quarter := *m
		quarter.Nodes = append([]Node(nil), m.Nodes...)
		for i := range 250 {
			quarter.Nodes[i*4].Duty = Draining
		}
		for name, v := range map[string]*Map{"nothing": m, "failed": &failed, "joined": &joined, "drained-250": &quarter} {
			b.Run(fmt.Sprintf("%s/zones=%d", name, zones), func(b *testing.B) {
				moves := 0
				for b.Loop() {
					moves = len(Plan(v, PlanOptions{}))
				}
				b.ReportMetric(float64(moves), "moves")
			})
		}
	}
}

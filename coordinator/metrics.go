package coordinator

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a coordinator counts. They carry its ID as a label, for
// several may run in one process.
type metrics struct {
	to         prometheus.Registerer
	own        *prometheus.Registry // for /metrics, where no gatherer was given
	all        []prometheus.Collector
	heartbeats prometheus.Counter
	elections  prometheus.Counter
	failovers  prometheus.Counter
	commits    *prometheus.CounterVec
	changes    *prometheus.CounterVec
	moves      *prometheus.CounterVec

	commitSeconds prometheus.Histogram
}

func newMetrics(c *Coordinator) *metrics {
	m := &metrics{own: prometheus.NewRegistry(), to: c.config.Registerer}
	if m.to == nil {
		m.to = m.own
	}
	m.to = prometheus.WrapRegistererWith(prometheus.Labels{"coordinator": c.config.ID}, m.to)
	counter := func(name, help string) prometheus.Counter {
		v := prometheus.NewCounter(prometheus.CounterOpts{Name: "holdfast_coordinator_" + name, Help: help})
		m.all = append(m.all, v)
		return v
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "holdfast_coordinator_" + name, Help: help}, labels)
		m.all = append(m.all, v)
		return v
	}
	gauge := func(name, help string, value func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "holdfast_coordinator_" + name, Help: help}, value))
	}
	m.heartbeats = counter("heartbeats_total", "Heartbeats received from nodes.")
	m.elections = counter("elections_won_total", "Times this coordinator became leader.")
	m.failovers = counter("failovers_total", "Nodes that this coordinator, leading, took out of their partitions.")
	m.commits = vector("commits_total", "Commands of this coordinator as leader, by outcome.", "outcome")
	m.changes = vector("changes_total", "Changes of partitions judged, by outcome.", "outcome")
	m.moves = vector("moves_total", "Moves of replicas and primaries that began and ended while this coordinator led; those cancelled count among the ended too.", "event", "kind")
	m.commitSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "holdfast_coordinator_commit_seconds", Help: "Time from a command to its commit.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13),
	})
	m.all = append(m.all, m.commitSeconds)
	gauge("leading", "1 where this coordinator leads.", func() float64 {
		if c.leading.Load() {
			return 1
		}
		return 0
	})
	gauge("map_behind", "1 while the coordinators' map is behind what nodes have seen, and frozen.", func() float64 {
		if c.fsm.behind().Since != 0 {
			return 1
		}
		return 0
	})
	gauge("map_version", "Version of the map applied here.", func() float64 { return float64(c.fsm.Map().Version) })
	gauge("followers", "Map streams served.", func() float64 { return float64(c.stream.count()) })
	gauge("nodes", "Nodes in the map.", func() float64 { return float64(len(c.fsm.Map().Nodes)) })
	gauge("nodes_suspected", "Nodes in the map that this coordinator suspects.",
		func() float64 { return float64(len(c.suspected(c.fsm.Map()))) })
	gauge("replicas_corrupt", "Copies that do not hold what they should, by the nodes' last heartbeats.", func() float64 { return float64(c.corruptReplicas()) })
	gauge("partitions_without_primary", "Partitions that wait for a primary.", func() float64 {
		n := 0
		for _, p := range c.fsm.Map().Partitions {
			if p.Primary == "" {
				n++
			}
		}
		return float64(n)
	})
	gauge("moves_underway", "Moves of replicas and primaries under way.", func() float64 { return float64(len(c.fsm.Map().Moves)) })
	for _, v := range m.all {
		m.to.MustRegister(v)
	}
	return m
}

// unregister makes room for the next coordinator of that ID in this process.
func (m *metrics) unregister() {
	for _, v := range m.all {
		m.to.Unregister(v)
	}
}

package dataplane

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// metrics are what the node itself counts; storage and gateway have their own.
type metrics struct {
	sent, received [replica.Kinds]prometheus.Counter // by replica.MessageKind
	records        prometheus.Counter
	unsent         prometheus.Counter
	dropped        prometheus.Counter
	refused        [refusals]prometheus.Counter
	forwarded      prometheus.Counter
	takeOvers      prometheus.Counter
	reads          [readResults]prometheus.Counter // of this node's own clients
	hashChecks     [hashResults]prometheus.Counter
	setAside       prometheus.Counter
	entriesRefused prometheus.Counter
	copiesDeleted  prometheus.Counter
	snapshots      *prometheus.CounterVec // direction, outcome
}

var kindNames = [...]string{
	replica.Probe: "probe", replica.ProbeReply: "probe_reply", replica.Fetch: "fetch", replica.FetchReply: "fetch_reply",
	replica.Append: "append", replica.Ack: "ack", replica.Reject: "reject", replica.Refuse: "refuse", replica.Release: "release",
	replica.BeaconMessage: "beacon", replica.BeaconReply: "beacon_reply",
	replica.HashCheck: "hash_check", replica.HashReply: "hash_reply", replica.Expel: "expel",
}

// Why an operation is refused for want of room.
const (
	refusedInbox = iota
	refusedLink
	refusedMemory
	refusedDisk
	refusals
)

var refusalNames = [refusals]string{"inbox", "link", "memory", "disk"}

// What comparisons of rolling hashes come to.
const (
	hashesEqual = iota
	hashesDiffer
	hashResults
)

var hashResultNames = [hashResults]string{"equal", "different"}

// registration collects what a node and its parts register, to take it back when
// it closes: it may start again in the same process. It is a
// prometheus.Registerer.
type registration struct {
	to    prometheus.Registerer
	done  []prometheus.Collector
	fault error
}

func (r *registration) add(c prometheus.Collector) {
	r.fault = errors.Join(r.fault, r.Register(c))
}

// Register implements prometheus.Registerer.
func (r *registration) Register(c prometheus.Collector) error {
	if r.to == nil {
		return nil
	}
	if err := r.to.Register(c); err != nil {
		return err
	}
	r.done = append(r.done, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *registration) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (r *registration) Unregister(c prometheus.Collector) bool {
	return r.to != nil && r.to.Unregister(c)
}

func (r *registration) undo() {
	for _, c := range r.done {
		r.to.Unregister(c)
	}
}

func (r *registration) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "holdfast", Name: name, Help: help})
	r.add(c)
	return c
}

func (r *registration) gauge(name, help string, read func() float64) {
	r.add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "holdfast", Name: name, Help: help}, read))
}

func newMetrics(r *registration) *metrics {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "holdfast", Name: "operations_refused_total",
		Help: "Operations refused for want of room: too much waited for an executor (inbox) or for the link to another node (link), or a replica's node had too much in memory or too little disk (memory, disk).",
	}, []string{"cause"})
	r.add(refused)
	m := &metrics{
		records:        r.counter("replication_records_total", "Records handed to the log: entries and adopted epochs."),
		unsent:         r.counter("replication_frames_unsent_total", "Frames lost for want of a connection, or of room in it."),
		dropped:        r.counter("replication_messages_dropped_total", "Messages dropped because too much waited for an executor."),
		forwarded:      r.counter("operations_forwarded_in_total", "Operations taken from other nodes."),
		takeOvers:      r.counter("take_overs_total", "Partitions that this node began to serve as primary."),
		copiesDeleted:  r.counter("copies_deleted_total", "Copies deleted because their partition is elsewhere."),
		setAside:       r.counter("copies_set_aside_total", "Copies put aside because they did not hold what they should; they are made anew."),
		entriesRefused: r.counter("replication_entries_refused_total", "Messages whose entries had a gap or were out of order: none of them was written."),
		snapshots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "holdfast", Name: "snapshots_total", Help: "Partition snapshots, by direction and outcome.",
		}, []string{"direction", "outcome"}),
	}
	messages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "holdfast", Name: "replication_messages_total", Help: "Messages between replicas, by direction and kind.",
	}, []string{"direction", "kind"})
	reads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "holdfast", Name: "reads_total",
		Help: "Linearizable reads of this node's clients: answered from its own copy, or by the primary's replica because the key is dirty, has a TTL, or this node has no lease and no read grant.",
	}, []string{"way"})
	r.add(reads)
	for result, way := range [readResults]string{readLocal: "local", readDirty: "dirty", readTTL: "ttl", readElsewhere: "forwarded"} {
		m.reads[result] = reads.WithLabelValues(way)
	}
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "holdfast", Name: "hash_checks_total",
		Help: "Comparisons of the rolling hashes of a partition's replicas by their primary, by result: equal, or different.",
	}, []string{"result"})
	r.add(checks)
	for result, name := range hashResultNames {
		m.hashChecks[result] = checks.WithLabelValues(name)
	}
	for cause, name := range refusalNames {
		m.refused[cause] = refused.WithLabelValues(name)
	}
	r.add(m.snapshots)
	r.add(messages)
	for kind, name := range kindNames {
		if name != "" {
			m.sent[kind] = messages.WithLabelValues("out", name)
			m.received[kind] = messages.WithLabelValues("in", name)
		}
	}
	return m
}

// gauges shows what the executors publish of their replicas.
func (n *Node) gauges(r *registration) {
	r.gauge("replication_window_bytes", "Bytes of the partitions' logs in memory.", func() float64 { return float64(n.windows()) })
	r.gauge("operations_waiting_bytes", "Memory of operations taken and not answered.", func() float64 {
		waiting := int64(0)
		for _, e := range n.executors {
			waiting += e.waiting.Load()
		}
		return float64(waiting)
	})
	sum := func(of func(*summary) int) func() float64 {
		return func() float64 {
			total := 0
			for _, e := range n.executors {
				total += of(e.summary.Load())
			}
			return float64(total)
		}
	}
	r.gauge("partitions_primary", "Partitions that this node serves as primary.", sum(func(s *summary) int { return s.serving }))
	r.gauge("partitions_secondary", "Partitions that this node is another in-sync replica of.", sum(func(s *summary) int { return s.secondary }))
	r.gauge("partitions_learner", "Partitions that this node is a learner of.", sum(func(s *summary) int { return s.learner }))
	r.gauge("partitions_not_serving", "Partitions that this node is to serve as primary and does not.", sum(func(s *summary) int { return s.notServing }))
	r.gauge("corrupt_replicas", "Copies here that do not hold what they should, until they are made anew.", func() float64 { return float64(len(n.corruptCopies())) })
	r.gauge("replication_lag_entries", "Most entries that one partition served here has not committed.", func() float64 {
		most := uint64(0)
		for _, e := range n.executors {
			most = max(most, e.summary.Load().lag)
		}
		return float64(most)
	})
	r.gauge("map_version", "Version of the map that all executors act on.", func() float64 { return float64(n.actedOn().Version) })
}

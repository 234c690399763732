package storage

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the engine shows of itself. Sizes are bytes, times seconds.
type metrics struct {
	commits                              prometheus.Counter
	records                              prometheus.Histogram
	written                              prometheus.Counter
	fsync                                prometheus.Histogram
	logBytes                             prometheus.Gauge
	flushes                              prometheus.Counter
	flush                                prometheus.Histogram
	flushed                              prometheus.Counter
	scrubBytes, scrubFaults, scrubPasses prometheus.Counter
	scrubPass, scrubProgress, scrubEnd   prometheus.Gauge
	collectors                           []prometheus.Collector
	from                                 prometheus.Registerer
}

func newMetrics(registerer prometheus.Registerer, e *Engine) *metrics {
	seconds := prometheus.ExponentialBuckets(0.0001, 2, 16) // 0.1 ms to 3.3 s
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "holdfast", Subsystem: "storage", Name: name, Help: help}
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "holdfast", Subsystem: "storage", Name: name, Help: help, Buckets: buckets,
		})
	}
	m := &metrics{
		from:     registerer,
		commits:  prometheus.NewCounter(prometheus.CounterOpts(opts("log_commits_total", "Group commits of the shared log."))),
		records:  histogram("log_commit_records", "Records in one group commit.", prometheus.ExponentialBuckets(1, 2, 14)),
		written:  prometheus.NewCounter(prometheus.CounterOpts(opts("log_written_bytes_total", "Bytes written to the shared log."))),
		fsync:    histogram("log_commit_seconds", "Writing and syncing one group commit.", seconds),
		logBytes: prometheus.NewGauge(prometheus.GaugeOpts(opts("log_bytes", "Bytes in the shared log that are not cut yet."))),
		flushes:  prometheus.NewCounter(prometheus.CounterOpts(opts("flushes_total", "Tables written to their partition's file."))),
		flush:    histogram("flush_seconds", "Writing and syncing one table to its file.", seconds),
		flushed:  prometheus.NewCounter(prometheus.CounterOpts(opts("flushed_keys_total", "Keys written to partition files."))),
	}
	m.scrubBytes = prometheus.NewCounter(prometheus.CounterOpts(opts("scrubbed_bytes_total", "Bytes of files and log that were read and checked for their own sake.")))
	m.scrubFaults = prometheus.NewCounter(prometheus.CounterOpts(opts("scrub_faults_total", "Files that were found damaged by that.")))
	m.scrubPasses = prometheus.NewCounter(prometheus.CounterOpts(opts("scrub_passes_total", "Times that all that is stored was checked.")))
	m.scrubPass = prometheus.NewGauge(prometheus.GaugeOpts(opts("scrub_pass_seconds", "How long the last of these took.")))
	m.scrubProgress = prometheus.NewGauge(prometheus.GaugeOpts(opts("scrub_progress", "How much of what is stored the check under way has read, from 0 to 1.")))
	m.scrubEnd = prometheus.NewGauge(prometheus.GaugeOpts(opts("scrub_last_pass_timestamp_seconds", "When all that is stored had last been checked; 0: not since the start.")))
	m.collectors = []prometheus.Collector{
		m.scrubBytes, m.scrubFaults, m.scrubPasses, m.scrubPass, m.scrubProgress, m.scrubEnd,
		m.commits, m.records, m.written, m.fsync, m.logBytes, m.flushes, m.flush, m.flushed,
	}
	for _, g := range []struct {
		name, help string
		read       func() float64
	}{
		{"table_bytes", "Bytes of committed entries in memory, not yet in files.", func() float64 { return float64(e.tableBytes.Load()) }},
		{"held_bytes", "Bytes of log entries in memory that are in no file yet.", func() float64 { return float64(e.retention.held.Load()) }},
		{"log_queue_seconds", "For how long the oldest append has waited that is not synced.", func() float64 { return e.LogQueue().Seconds() }},
		{"log_oldest_pending_seconds", "Age of the log's fsync under way, or of the oldest append less 3 s.", func() float64 { return e.OldestPending().Seconds() }},
		{"disk_free_bytes", "Bytes free on the disk of the data directory.", func() float64 { return float64(e.diskFree.Load()) }},
	} {
		m.collectors = append(m.collectors, prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts(g.name, g.help)), g.read))
	}
	return m
}

// register shows the metrics.
func (m *metrics) register() error {
	for i, c := range m.collectors {
		if err := m.from.Register(c); err != nil {
			m.collectors = m.collectors[:i]
			m.unregister()
			return fmt.Errorf("storage metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) committed(records, bytes int, took time.Duration) {
	m.commits.Inc()
	m.records.Observe(float64(records))
	m.written.Add(float64(bytes))
	m.fsync.Observe(took.Seconds())
}

func (m *metrics) flushDone(keys int, took time.Duration) {
	m.flushes.Inc()
	m.flushed.Add(float64(keys))
	m.flush.Observe(took.Seconds())
}

func (m *metrics) scrubbed(took time.Duration, at time.Time) {
	m.scrubPasses.Inc()
	m.scrubPass.Set(took.Seconds())
	m.scrubProgress.Set(1)
	m.scrubEnd.Set(float64(at.UnixMilli()) / 1000)
}

// scrubRead counts bytes read, and those of the pass under way, of about as many.
func (m *metrics) scrubRead(bytes, pass, of int64) {
	m.scrubBytes.Add(float64(bytes))
	m.scrubProgress.Set(min(1, float64(pass)/float64(max(1, of))))
}

// unregister lets another engine register in the same place.
func (m *metrics) unregister() {
	for _, c := range m.collectors {
		m.from.Unregister(c)
	}
}

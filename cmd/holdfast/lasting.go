package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// lasting is a registry whose counters and histograms go on where those left off
// that had their name and labels before them. A node that starts again in its
// process registers new ones; what made it do so is what they must not forget.
type lasting struct {
	*prometheus.Registry

	mu   sync.Mutex
	past map[string]*dto.Metric // by name and labels
}

func newLasting() *lasting {
	return &lasting{Registry: prometheus.NewRegistry(), past: map[string]*dto.Metric{}}
}

// Unregister implements prometheus.Registerer.
func (l *lasting) Unregister(c prometheus.Collector) bool {
	l.mu.Lock() // nobody gathers meanwhile: it would count twice
	defer l.mu.Unlock()
	if !l.Registry.Unregister(c) {
		return false
	}
	alone := prometheus.NewRegistry()
	if alone.Register(c) == nil {
		families, _ := alone.Gather() // what it has is kept, with an error or without
		l.keep(families)
	}
	return true
}

// keep adds what collectors had that are gone. Caller holds mu.
func (l *lasting) keep(families []*dto.MetricFamily) {
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := keyOf(f, m)
			addPast(m, l.past[key])
			if m.Counter != nil || m.Histogram != nil {
				l.past[key] = m
			}
		}
	}
}

// Gather implements prometheus.Gatherer.
func (l *lasting) Gather() ([]*dto.MetricFamily, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	families, err := l.Registry.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			addPast(m, l.past[keyOf(f, m)])
		}
	}
	return families, err
}

// keyOf names a metric with its labels, which come sorted.
func keyOf(f *dto.MetricFamily, m *dto.Metric) string {
	var b strings.Builder
	b.WriteString(f.GetName())
	for _, l := range m.GetLabel() {
		fmt.Fprintf(&b, "%q=%q", l.GetName(), l.GetValue())
	}
	return b.String()
}

// addPast adds what one that is gone had counted.
func addPast(m, past *dto.Metric) {
	if c := past.GetCounter(); c != nil && m.Counter != nil {
		*m.Counter.Value += c.GetValue()
	}
	h := past.GetHistogram()
	if h == nil || m.Histogram == nil || len(h.GetBucket()) != len(m.Histogram.GetBucket()) {
		return
	}
	*m.Histogram.SampleCount += h.GetSampleCount()
	*m.Histogram.SampleSum += h.GetSampleSum()
	for i, b := range m.Histogram.GetBucket() {
		*b.CumulativeCount += h.GetBucket()[i].GetCumulativeCount()
	}
}

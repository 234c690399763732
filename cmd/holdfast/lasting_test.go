package main

import (
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A node that starts again in its process goes on counting.
func TestCountersLast(t *testing.T) {
	t.Parallel()
	l := newLasting()
	to := prometheus.WrapRegistererWith(prometheus.Labels{"node": "n1"}, l)
	for range 3 {
		counted := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "copies_total"}, []string{"what"})
		took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Buckets: []float64{1}})
		now := prometheus.NewGauge(prometheus.GaugeOpts{Name: "now"})
		to.MustRegister(counted, took, now)
		counted.WithLabelValues("aside").Inc()
		took.Observe(0.5)
		took.Observe(2)
		now.Set(7)
		if families, err := l.Gather(); len(families) != 3 || err != nil {
			t.Errorf("%d metrics, %v", len(families), err)
		}
		for _, c := range []prometheus.Collector{counted, took, now} {
			if !to.Unregister(c) {
				t.Error("it was not registered")
			}
		}
	}
	counted := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "copies_total"}, []string{"what"})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Buckets: []float64{1}})
	now := prometheus.NewGauge(prometheus.GaugeOpts{Name: "now"})
	to.MustRegister(counted, took, now)
	counted.WithLabelValues("aside").Add(2)
	counted.WithLabelValues("deleted").Inc()
	families, err := l.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case m.Counter != nil:
				got[m.GetLabel()[1].GetValue()] = m.Counter.GetValue()
			case m.Histogram != nil:
				got["count"], got["sum"] = float64(m.Histogram.GetSampleCount()), m.Histogram.GetSampleSum()
				got["up to 1"] = float64(m.Histogram.GetBucket()[0].GetCumulativeCount())
			case m.Gauge != nil:
				got["gauge"] = m.Gauge.GetValue()
			}
		}
	}
	want := map[string]float64{"aside": 5, "deleted": 1, "count": 6, "sum": 7.5, "up to 1": 3, "gauge": 0}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
}

// Nobody sees more than was counted, while a node ends either.
func TestNothingIsCountedTwice(t *testing.T) {
	t.Parallel()
	l := newLasting()
	var most atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 300 {
			c := prometheus.NewCounter(prometheus.CounterOpts{Name: "copies_total"})
			l.MustRegister(c)
			most.Add(1)
			c.Inc()
			if !l.Unregister(c) || l.Unregister(c) {
				t.Error("registered once")
			}
		}
	}()
	for going := true; going; {
		select {
		case <-ended:
			going = false
		default:
		}
		families, err := l.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if v := f.GetMetric()[0].GetCounter().GetValue(); v > float64(most.Load()) {
				t.Fatalf("%v were counted, %d happened", v, most.Load())
			}
		}
	}
}

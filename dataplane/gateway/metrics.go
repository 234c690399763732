package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// outcome is how a request ended, for the metrics.
type outcome uint8

const (
	outcomeOK outcome = iota
	outcomeAbsent
	outcomeNotModified
	outcomePrecondition
	outcomeRefused // the client's mistake
	outcomeOverloaded
	outcomeDiskFull
	outcomeUnavailable
	outcomeInDoubt
	outcomes
)

var outcomeNames = [outcomes]string{
	"ok", "absent", "not_modified", "precondition_failed", "refused", "overloaded", "disk_full", "unavailable", "unknown",
}

var actionNames = map[replica.Action]string{replica.Get: "get", replica.Put: "put", replica.Delete: "delete"}

// way is how a request was served.
type way uint8

const (
	wayHere      way = iota // from the copy on this node, at once
	wayPrimary              // by this node's replica, the primary
	wayForwarded            // by another node
	ways
)

var wayNames = [ways]string{"here", "primary", "forwarded"}

// metrics have their labels resolved: a lookup for each request would cost more
// than the counting.
type metrics struct {
	requests [4][outcomes]prometheus.Counter // by action
	duration [4]prometheus.Observer
	served   [ways]prometheus.Counter
	retries  prometheus.Counter
	hangUps  prometheus.Counter
	bodies   prometheus.Gauge
	refused  prometheus.Counter
}

// newMetrics registers the metrics, where there is a registerer.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "holdfast_gateway_requests_total", Help: "Client requests on keys, by method and outcome.",
	}, []string{"method", "outcome"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "holdfast_gateway_request_duration_seconds", Help: "From a request's header to its answer, body included.",
		Buckets: prometheus.ExponentialBuckets(50e-6, 2.5, 16),
	}, []string{"method"})
	served := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "holdfast_gateway_served_total", Help: "Client requests that were answered, by the way they took.",
	}, []string{"way"})
	m := &metrics{
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_gateway_retries_total", Help: "Attempts after a request's first."}),
		hangUps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_gateway_hang_ups_total", Help: "Requests whose client left before the answer."}),
		bodies: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "holdfast_gateway_bodies_bytes", Help: "Memory that request bodies, arriving and waiting, and large answers hold."}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_gateway_bodies_refused_total", Help: "Bodies and large answers that there was no memory for."}),
	}
	for action, name := range actionNames {
		for o, label := range outcomeNames {
			m.requests[action][o] = requests.WithLabelValues(name, label)
		}
		m.duration[action] = duration.WithLabelValues(name)
	}
	for w, label := range wayNames {
		m.served[w] = served.WithLabelValues(label)
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{requests, duration, served, m.retries, m.hangUps, m.bodies, m.refused} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

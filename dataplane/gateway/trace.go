package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// trace records a request's way, where the client asked for it with
// Holdfast-Explain. All methods do nothing on nil.
type trace struct {
	mark  time.Time             // the end of what is booked already
	spent [phases]time.Duration // by phase
	to    partition.NodeID      // of the last attempt
	in    []partition.Replica   // in sync at the last attempt, as far as this node knew
	tries int
}

// phase is a part of a request's way.
type phase uint8

const (
	phaseBody    phase = iota // receiving the request
	phaseWait                 // for a primary, or between attempts
	phaseAttempt              // at the primary, the way there and back included
	phases
)

// newTrace begins a trace where the request asks for one.
func newTrace(r *http.Request) *trace {
	lines := r.Header[headerExplain]
	if len(lines) == 0 || lines[0] == "" || lines[0] == "0" || lines[0] == "false" {
		return nil
	}
	return &trace{mark: time.Now()}
}

// book books the time since the last call as spent in a phase.
func (t *trace) book(p phase) {
	if t != nil {
		now := time.Now()
		t.spent[p] += now.Sub(t.mark)
		t.mark = now
	}
}

// attempt notes where an attempt goes.
func (t *trace) attempt(to partition.NodeID, c *partition.Configuration) {
	if t == nil {
		return
	}
	t.book(phaseWait)
	t.to, t.in = to, nil
	t.tries++
	if c.Primary == to {
		t.in = c.Replicas
	}
}

// headers says the way: Holdfast-Route and Server-Timing.
func (t *trace) headers(h http.Header, self partition.NodeID, role []string, a *replica.Answer) {
	if t == nil {
		return
	}
	t.book(phaseWait)
	h[headerRoute] = []string{t.way(self, role, a)}
	b := make([]byte, 0, 96)
	for p, name := range [phases]string{"body", "wait", "primary"} {
		b = append(b, name...)
		b = append(b, ";dur="...)
		b = strconv.AppendFloat(b, float64(t.spent[p])/float64(time.Millisecond), 'f', 3, 64)
		b = append(b, ", "...)
	}
	b = append(b, `attempts;desc="`...)
	b = strconv.AppendInt(b, int64(t.tries), 10)
	h[headerServerTiming] = []string{string(append(b, '"'))}
}

// way returns "n4 > n2 (primary) > n1, n3": who received the request, who
// served it, and who else stored it.
func (t *trace) way(self partition.NodeID, role []string, a *replica.Answer) string {
	b := append(make([]byte, 0, 64), self...)
	if t.tries == 0 || t.to == self {
		b = append(append(append(b, " ("...), role[0]...), ')')
	} else {
		b = append(append(append(b, " > "...), t.to...), " (primary)"...)
	}
	if a.Outcome != replica.Done || a.Result.Sequence == 0 {
		return string(b)
	}
	separator := " > "
	for _, r := range t.in {
		if r.Node != t.to {
			b = append(append(b, separator...), r.Node...)
			separator = ", "
		}
	}
	return string(b)
}

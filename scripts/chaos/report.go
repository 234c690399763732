package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// summary counts a history.
type summary struct {
	acknowledged, reads, tests, refused, unknown int
	reasons                                      map[string]int // of what was not applied
	slowest                                      *operation     // that succeeded
}

func summarize(operations []operation) summary {
	s := summary{reasons: map[string]int{}}
	for i := range operations {
		o := &operations[i]
		switch {
		case o.Outcome == unknown:
			s.unknown++
		case o.Outcome == notApplied:
			s.refused++
			s.reasons[reason(o.Detail)]++
		case o.Outcome == failedTest:
			s.tests++
		case o.write():
			s.acknowledged++
		default:
			s.reads++
		}
		if o.Outcome == applied && (s.slowest == nil || o.Return-o.Call > s.slowest.Return-s.slowest.Call) {
			s.slowest = o
		}
	}
	return s
}

// reason shortens what went wrong, so that equal reasons are counted together.
func reason(detail string) string {
	if i := strings.LastIndex(detail, ": "); !strings.HasPrefix(detail, "5") && !strings.HasPrefix(detail, "4") && i >= 0 {
		return detail[i+2:]
	}
	if c := code(strings.TrimLeft(detail, "0123456789 ")); c != "" {
		return detail[:3] + " " + c
	}
	return detail
}

// report tells a person what happened.
func report(w io.Writer, operations []operation, faults []*fault, took time.Duration) {
	s := summarize(operations)
	fmt.Fprintf(w, "\n%d operations in %.0f s: %d writes acknowledged, %d reads, %d conditions that did not hold,\n"+
		"%d not applied, %d of unknown outcome\n", len(operations), took.Seconds(), s.acknowledged, s.reads, s.tests, s.refused, s.unknown)
	for _, r := range slices.Sorted(maps.Keys(s.reasons)) {
		fmt.Fprintf(w, "  not applied: %d %s\n", s.reasons[r], r)
	}
	kinds := map[string]int{}
	for _, f := range faults {
		kinds[f.Kind]++
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, kinds[kind]))
	}
	fmt.Fprintf(w, "%d faults: %s\n", len(faults), strings.Join(parts, ", "))
	printGaps(w, operations, faults)
	if s.slowest != nil {
		fmt.Fprintf(w, "Slowest request that succeeded: %.1f s (%s at %s, at %.1f s)\n",
			(s.slowest.Return - s.slowest.Call).Seconds(), s.slowest.Kind, s.slowest.Node, s.slowest.Call.Seconds())
	}
}

func (v *verdict) print(w io.Writer) {
	for _, f := range v.faults {
		fmt.Fprintln(w, "WRONG:", f)
	}
	switch v.result {
	case porcupine.Ok:
		fmt.Fprintln(w, "Verdict: linearizable, every key")
	case porcupine.Illegal:
		fmt.Fprintf(w, "Verdict: NOT LINEARIZABLE: %s; see %s\n", v.key, v.path)
	default:
		fmt.Fprintf(w, "Verdict: not decided in time: %s\n", v.key)
	}
}

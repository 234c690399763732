package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/history"
	"github.com/holdfast-io/holdfast/scripts/internal/workload"
)

// reason shortens what went wrong, so that equal reasons are counted together.
func reason(detail string) string {
	if i := strings.LastIndex(detail, ": "); !strings.HasPrefix(detail, "5") && !strings.HasPrefix(detail, "4") && i >= 0 {
		return detail[i+2:]
	}
	if c := workload.Code(strings.TrimLeft(detail, "0123456789 ")); c != "" {
		return detail[:3] + " " + c
	}
	return detail
}

// report tells a person what happened.
func report(w io.Writer, operations []history.Operation, faults []*fault, took time.Duration) {
	s := history.Summarize(operations, reason)
	fmt.Fprintf(w, "\n%d operations in %.0f s: %d writes acknowledged, %d reads, %d conditions that did not hold,\n"+
		"%d not applied, %d of unknown outcome\n", len(operations), took.Seconds(), s.Acknowledged, s.Reads, s.ConditionsFailed, s.NotApplied, s.Unknown)
	for _, r := range slices.Sorted(maps.Keys(s.Reasons)) {
		fmt.Fprintf(w, "  not applied: %d %s\n", s.Reasons[r], r)
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
	if s.Slowest != nil {
		fmt.Fprintf(w, "Slowest request that succeeded: %.1f s (%s at %s, at %.1f s)\n",
			(s.Slowest.Return - s.Slowest.Call).Seconds(), s.Slowest.Kind, s.Slowest.Node, s.Slowest.Call.Seconds())
	}
}

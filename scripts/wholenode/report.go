package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// line sums up a round.
func (r *result) line() string {
	s := history.Summarize(r.operations, func(string) string { return "" })
	return fmt.Sprintf("seed %d: %d nodes, %d faults, %d operations: %d writes acknowledged, %d reads, %d conditions failed, %d not applied, %d unknown, %d repeated; %d keys judged, %d undecided",
		r.plan.seed, r.plan.shape.nodes, len(r.faults), len(r.operations), s.Acknowledged, s.Reads, s.ConditionsFailed, s.NotApplied, s.Unknown,
		r.repeats, r.verdict.Keys, len(r.verdict.Undecided))
}

// print tells what was found to a person: the seed, the history of the key, the
// faults and where the full log is.
func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\nFAILED: seed %d\n", r.plan.seed)
	if r.err != nil {
		fmt.Fprintf(w, "%v\n", r.err)
	}
	fmt.Fprintln(w, "\nFaults, in seconds since the load began:")
	for _, f := range r.faults {
		fmt.Fprintf(w, "%9.3f to %9.3f s  %s\n", f.from.Seconds(), f.until.Seconds(), f.what)
	}
	fmt.Fprintln(w)
	r.verdict.Print(w)
	if r.verdict.Result == porcupine.Illegal {
		id := partition.Of([]byte(r.verdict.Key), r.plan.shape.partitions)
		fmt.Fprintf(w, "\nHistory of %s, of %v:\n", r.verdict.Key, id)
		history.PrintKey(w, r.operations, r.verdict.Key)
	}
	fmt.Fprintf(w, "\nThe log of all processes is %s, the history is %s\nRun the same decisions again: go run -race ./scripts/wholenode -rounds 1 -seed %d\n",
		r.log, strings.TrimSuffix(r.log, "log.txt")+"history.jsonl", r.plan.seed)
}

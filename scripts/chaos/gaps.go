package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// aftermath is how long after its end a fault may explain what is still wrong at
// least: leases run out, clients find another node.
const aftermath = 2500 * time.Millisecond

// gap is a time in which a key took no write, although somebody tried.
type gap struct {
	key      string
	from, to time.Duration
}

func (g gap) length() time.Duration { return g.to - g.from }

// gaps returns the times between two acknowledged writes of a key, each from when
// somebody next tried: a key that is out of use is not unavailable. (An answer
// that comes late, of a write that began before, ends none where nobody tried.)
func gaps(operations []history.Operation) (out []gap) {
	byKey := map[string][]*history.Operation{}
	tries := map[string][]time.Duration{}
	for i := range operations {
		o := &operations[i]
		if !o.IsWrite() {
			continue
		}
		tries[o.Key] = append(tries[o.Key], o.Call)
		if o.IsAcknowledged() {
			byKey[o.Key] = append(byKey[o.Key], o)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		writes := byKey[key]
		slices.SortFunc(writes, func(a, b *history.Operation) int { return cmp.Compare(a.Return, b.Return) })
		slices.Sort(tries[key])
		for i, o := range writes[1:] {
			at, _ := slices.BinarySearch(tries[key], writes[i].Return)
			if at < len(tries[key]) && tries[key][at] < o.Return {
				out = append(out, gap{key, tries[key][at], o.Return})
			}
		}
	}
	return out
}

// culprits are the faults that were there, or not got over, in a gap: one is got
// over when all replicas are in sync again. Until then the next fault meets a
// cluster that has less to stand on than it should.
func culprits(g gap, faults []*fault) (out []*fault) {
	for _, f := range faults {
		if f.At < g.to && (f.Until == 0 || f.Whole == 0 || max(f.Until+aftermath, f.Whole) > g.from) {
			out = append(out, f)
		}
	}
	return out
}

// explanation names what explains a gap: a kind of fault, if a single one does.
func explanation(g gap, faults []*fault) string {
	switch guilty := culprits(g, faults); len(guilty) {
	case 0:
		return "no fault"
	case 1:
		return guilty[0].Kind
	default:
		return "several faults"
	}
}

// printGaps shows the longest unavailability of a key for each kind of fault.
func printGaps(w io.Writer, operations []history.Operation, faults []*fault) {
	longest := map[string]gap{}
	for _, g := range gaps(operations) {
		if why := explanation(g, faults); g.length() > longest[why].length() {
			longest[why] = g
		}
	}
	fmt.Fprintln(w, "Longest time without a write of some key, by what explains it:")
	for _, why := range slices.Sorted(maps.Keys(longest)) {
		g := longest[why]
		fmt.Fprintf(w, "%6.1f s  %s (%s, from %.1f s%s)\n", g.length().Seconds(), why, g.key, g.from.Seconds(), lasted(g, faults))
	}
}

// lasted tells how long the fault itself lasted that a gap is explained by.
func lasted(g gap, faults []*fault) string {
	guilty := culprits(g, faults)
	if len(guilty) != 1 || guilty[0].Until == 0 {
		return ""
	}
	return fmt.Sprintf("; the fault lasted %.1f s", (guilty[0].Until - guilty[0].At).Seconds())
}

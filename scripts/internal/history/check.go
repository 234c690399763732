package history

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is what the checker says of a history.
type Verdict struct {
	Result    porcupine.CheckResult
	Key       string   // the first that is not linearizable; if there is none, the first that was not decided
	Keys      int      // judged
	Undecided []string // keys that were not decided in time
	Faults    []string // ETags that named two values
	Picture   string   // path of a picture, if there is one
}

// Good reports whether every key was found linearizable.
func (v *Verdict) Good() bool { return v.Result == porcupine.Ok && len(v.Faults) == 0 }

// Wrong reports whether something was found that must not be. A key that was not
// decided in time is no such thing.
func (v *Verdict) Wrong() bool { return v.Result == porcupine.Illegal || len(v.Faults) > 0 }

// Print tells the verdict to a person.
func (v *Verdict) Print(w io.Writer) {
	for _, f := range v.Faults {
		fmt.Fprintln(w, "WRONG:", f)
	}
	switch v.Result {
	case porcupine.Ok:
		fmt.Fprintln(w, "Verdict: linearizable, every key")
	case porcupine.Illegal:
		fmt.Fprintf(w, "Verdict: NOT LINEARIZABLE: %s; see %s\n", v.Key, v.Picture)
	default:
		fmt.Fprintf(w, "Verdict: not decided in time: %s\n", v.Key)
	}
}

// Check judges every key on its own. It writes a picture of a key that is not
// linearizable to the path.
func Check(operations []Operation, timeout time.Duration, picture string) Verdict {
	byKey := map[string][]porcupine.Operation{}
	for i := range operations {
		o := &operations[i]
		if o.Outcome == NotApplied || o.Kind == Get && o.Outcome != Applied {
			continue // it never happened; that it did would show elsewhere
		}
		end := int64(o.Return)
		if o.Outcome == Unknown {
			end = math.MaxInt64
		}
		byKey[o.Key] = append(byKey[o.Key], porcupine.Operation{ClientId: o.Client, Input: o, Call: int64(o.Call), Return: end})
	}
	out := Verdict{Result: porcupine.Ok, Keys: len(byKey), Faults: reusedETags(operations)}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		result, info := porcupine.CheckOperationsVerbose(model, byKey[key], timeout)
		switch result {
		case porcupine.Ok:
		case porcupine.Illegal:
			out.Result, out.Key = result, key
			if err := porcupine.VisualizePath(model, info, picture); err == nil {
				out.Picture = picture
			}
			return out
		default:
			if out.Undecided = append(out.Undecided, key); len(out.Undecided) == 1 {
				out.Result, out.Key = result, key
			}
		}
	}
	return out
}

// OfKey returns a key's operations in the order of their calls.
func OfKey(operations []Operation, key string) []Operation {
	var out []Operation
	for _, o := range operations {
		if o.Key == key {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
	return out
}

// PrintKey prints a key's history, one operation a line.
func PrintKey(w io.Writer, operations []Operation, key string) {
	for _, o := range OfKey(operations, key) {
		fmt.Fprintf(w, "%9.3f to %9.3f s  client %-3d %-4s %s", o.Call.Seconds(), o.Return.Seconds(), o.Client, o.Node, &o)
		if o.Detail != "" {
			fmt.Fprintf(w, "  [%.120s]", o.Detail)
		}
		fmt.Fprintln(w)
	}
}

// reusedETags finds ETags that named two values of one key.
func reusedETags(operations []Operation) []string {
	type named struct{ key, etag string }
	values := map[named]string{}
	var out []string
	for i := range operations {
		o := &operations[i]
		value := o.Read
		if o.IsWrite() {
			value = o.Value
		}
		if o.ETag == "" || o.Outcome != Applied || o.Kind == Delete || o.Kind == Get && !o.Found {
			continue
		}
		before, ok := values[named{o.Key, o.ETag}]
		if ok && before != value {
			out = append(out, fmt.Sprintf("ETag %s of %s named %q and %q", o.ETag, o.Key, before, value))
		}
		values[named{o.Key, o.ETag}] = value
	}
	return out
}

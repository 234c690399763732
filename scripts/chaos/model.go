package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// content is a key's state: a value, or none.
type content struct {
	exists bool
	value  string
}

// model is one key as a client may see it. An operation of unknown outcome has
// no end: the checker may let it take effect at any time after its call, also
// after everything else, which is the same as never.
var model = porcupine.Model{
	Init: func() any { return content{} },
	Step: func(state, input, _ any) (bool, any) {
		s, o := state.(content), input.(*operation)
		known := o.Outcome != unknown
		switch o.Kind {
		case get:
			return o.Found == s.exists && (!s.exists || o.Read == s.value), s
		case put:
			return !known || o.Found == s.exists, content{true, o.Value}
		case deletion:
			return !known || o.Found == s.exists, content{}
		case create:
			return conditional(o, s, !s.exists)
		case swap:
			return conditional(o, s, s.exists && s.value == o.Expected)
		}
		return false, s
	},
	DescribeOperation: func(input, _ any) string { return describe(input.(*operation)) },
	DescribeState: func(state any) string {
		if s := state.(content); s.exists {
			return s.value
		}
		return "(none)"
	},
}

// conditional is the step of a write whose condition holds or not.
func conditional(o *operation, s content, holds bool) (bool, any) {
	if o.Outcome == unknown {
		if holds {
			return true, content{true, o.Value}
		}
		return true, s
	}
	if holds != (o.Outcome == applied) {
		return false, s
	}
	if holds {
		s = content{true, o.Value}
	}
	return true, s
}

func describe(o *operation) string {
	text := string(o.Kind)
	switch o.Kind {
	case get:
		if o.Found {
			return "get -> " + o.Read
		}
		return "get -> (none)"
	case swap:
		text += fmt.Sprintf(" %s for %s", o.Expected, o.Value)
	case put, create:
		text += " " + o.Value
	}
	return fmt.Sprintf("%s -> %s", text, o.Outcome)
}

// verdict is what the checker says of a history.
type verdict struct {
	result porcupine.CheckResult
	key    string // the first that is not linearizable, or was not decided
	faults []string
	path   string // of a picture, if there is one
}

// check judges every key on its own. It writes a picture of a key that is not
// linearizable to the path.
func check(operations []operation, timeout time.Duration, picture string) verdict {
	byKey := map[string][]porcupine.Operation{}
	for i := range operations {
		o := &operations[i]
		if o.Outcome == notApplied || o.Kind == get && o.Outcome != applied {
			continue // it never happened; that it did would show elsewhere
		}
		end := int64(o.Return)
		if o.Outcome == unknown {
			end = math.MaxInt64
		}
		byKey[o.Key] = append(byKey[o.Key], porcupine.Operation{ClientId: o.Client, Input: o, Call: int64(o.Call), Return: end})
	}
	out := verdict{result: porcupine.Ok, faults: reusedETags(operations)}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		result, info := porcupine.CheckOperationsVerbose(model, byKey[key], timeout)
		if result == porcupine.Ok {
			continue
		}
		out.result, out.key = result, key
		if result == porcupine.Illegal {
			if err := porcupine.VisualizePath(model, info, picture); err == nil {
				out.path = picture
			}
			return out
		}
	}
	return out
}

// reusedETags finds ETags that named two values of one key.
func reusedETags(operations []operation) []string {
	type named struct{ key, etag string }
	values := map[named]string{}
	var out []string
	for i := range operations {
		o := &operations[i]
		value := o.Read
		if o.write() {
			value = o.Value
		}
		if o.ETag == "" || o.Outcome != applied || o.Kind == deletion || o.Kind == get && !o.Found {
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

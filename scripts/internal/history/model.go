package history

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// content is a key's state: a value, or none. A value with a TTL may have ended
// from mayEnd on; that it has shows in the first operation that finds none.
type content struct {
	exists bool
	value  string
	mayEnd time.Duration // zero: the value does not end
}

// maybeAbsent reports whether an operation can find no value.
func (s content) maybeAbsent(o *Operation) bool {
	return !s.exists || s.mayEnd > 0 && o.Return >= s.mayEnd
}

// agrees reports whether the state can be one that the operation found a value
// in, or none, as it says.
func (s content) agrees(o *Operation) bool {
	if o.Found {
		return s.exists
	}
	return s.maybeAbsent(o)
}

// written is the state that the operation leaves. The TTL begins when the write
// is applied, which is not before its call. Clocks may be 10 % fast.
func written(o *Operation) content {
	s := content{exists: true, value: o.Value}
	if o.TTL > 0 {
		s.mayEnd = o.Call + o.TTL*9/10
	}
	return s
}

// model is one key as a client may see it. An operation of unknown outcome has
// no end: the checker may let it take effect at any time after its call, also
// after everything else, which is the same as never. So one that could take
// effect does.
var model = porcupine.Model{
	Init: func() any { return content{} },
	Step: func(state, input, _ any) (bool, any) {
		s, o := state.(content), input.(*Operation)
		known := o.Outcome != Unknown
		switch o.Kind {
		case Get:
			switch {
			case !s.agrees(o) || o.Found && o.Read != s.value:
				return false, s
			case !o.Found:
				return true, content{}
			}
			return true, s
		case Put:
			return !known || s.agrees(o), written(o)
		case Delete:
			return !known || s.agrees(o), content{}
		case Create:
			return conditional(o, s, s.maybeAbsent(o), s.exists)
		case Swap:
			is := s.exists && s.value == o.Expected
			return conditional(o, s, is, !is || s.maybeAbsent(o))
		}
		return false, s
	},
	DescribeOperation: func(input, _ any) string { return input.(*Operation).String() },
	DescribeState: func(state any) string {
		if s := state.(content); s.exists {
			return s.value
		}
		return "(none)"
	},
}

// conditional is the step of a write whose condition may hold, or may not.
func conditional(o *Operation, s content, mayHold, mayFail bool) (bool, any) {
	switch {
	case o.Outcome == ConditionFailed:
		return mayFail, s
	case o.Outcome == Applied && !mayHold:
		return false, s
	case mayHold:
		return true, written(o)
	}
	return true, s // of unknown outcome, without effect
}

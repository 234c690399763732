package history

// Summary counts a history.
type Summary struct {
	Acknowledged, Reads, ConditionsFailed, NotApplied, Unknown int
	Reasons                                                    map[string]int // of what was not applied
	Slowest                                                    *Operation     // that succeeded
}

// Summarize counts the operations. reason shortens the detail of one that was not
// applied, so that equal reasons are counted together.
func Summarize(operations []Operation, reason func(detail string) string) Summary {
	s := Summary{Reasons: map[string]int{}}
	for i := range operations {
		o := &operations[i]
		switch {
		case o.Outcome == Unknown:
			s.Unknown++
		case o.Outcome == NotApplied:
			s.NotApplied++
			s.Reasons[reason(o.Detail)]++
		case o.Outcome == ConditionFailed:
			s.ConditionsFailed++
		case o.IsWrite():
			s.Acknowledged++
		default:
			s.Reads++
		}
		if o.Outcome == Applied && (s.Slowest == nil || o.Return-o.Call > s.Slowest.Return-s.Slowest.Call) {
			s.Slowest = o
		}
	}
	return s
}

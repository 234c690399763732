package partition

// RebalanceChange is a change of some of the settings of Rebalance. A nil field
// leaves that setting as it is, so that two changes of different settings never
// undo each other.
type RebalanceChange struct {
	Paused     *bool  `json:"paused,omitempty"`
	AtOnce     *int   `json:"at_once,omitempty"`
	AtOnceEach *int   `json:"at_once_each,omitempty"`
	Throttle   *int64 `json:"throttle,omitempty"`
}

// Change returns the change that sets every field to r's.
func (r Rebalance) Change() RebalanceChange {
	return RebalanceChange{Paused: &r.Paused, AtOnce: &r.AtOnce, AtOnceEach: &r.AtOnceEach, Throttle: &r.Throttle}
}

// Of returns r with the change made.
func (c RebalanceChange) Of(r Rebalance) Rebalance {
	setIf(&r.Paused, c.Paused)
	setIf(&r.AtOnce, c.AtOnce)
	setIf(&r.AtOnceEach, c.AtOnceEach)
	setIf(&r.Throttle, c.Throttle)
	return r
}

func setIf[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

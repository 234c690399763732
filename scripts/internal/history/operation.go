// Package history records what clients did to the keys of a cluster and what
// they saw, and has porcupine judge whether that is linearizable. The chaos run,
// the power-loss run and the whole-node rig use it. It talks to no cluster itself.
package history

import (
	"fmt"
	"time"
)

// Outcome is what a client knows of its operation's end.
type Outcome string

const (
	Applied         Outcome = "applied"     // done, or for a read: answered
	ConditionFailed Outcome = "failed-test" // 412: the condition did not hold
	NotApplied      Outcome = "not-applied" // never applied, and never will be
	Unknown         Outcome = "unknown"     // may have been applied, or may yet be
)

// Kind is what an operation does to its key.
type Kind string

const (
	Get    Kind = "get"
	Put    Kind = "put"
	Delete Kind = "delete"
	Create Kind = "create" // put if there is no value
	Swap   Kind = "swap"   // put if the value is still the one read before
)

// Operation is one line of the history. Values are unique, so that an ETag can
// be told by its value.
type Operation struct {
	Client   int           `json:"client"`
	Node     string        `json:"node"`
	Kind     Kind          `json:"kind"`
	Key      string        `json:"key"`
	Value    string        `json:"value,omitempty"`    // written
	TTL      time.Duration `json:"ttl,omitempty"`      // put, create and swap: the value ends after it
	Expected string        `json:"expected,omitempty"` // swap: the value that must be there
	Call     time.Duration `json:"call"`               // since the run began
	Return   time.Duration `json:"return"`
	Outcome  Outcome       `json:"outcome"`
	Found    bool          `json:"found,omitempty"` // get: there was a value; put and delete: there was one before
	Read     string        `json:"read,omitempty"`  // get: the value
	ETag     string        `json:"etag,omitempty"`  // of the value read or written
	Detail   string        `json:"detail,omitempty"`
}

// IsWrite reports whether the operation changes its key.
func (o *Operation) IsWrite() bool { return o.Kind != Get }

// WritesValue reports whether the operation leaves a value.
func (o *Operation) WritesValue() bool { return o.IsWrite() && o.Kind != Delete }

// IsAcknowledged reports whether the operation was a write that was applied.
func (o *Operation) IsAcknowledged() bool { return o.IsWrite() && o.Outcome == Applied }

// String describes the operation and its outcome.
func (o *Operation) String() string {
	text := string(o.Kind)
	switch o.Kind {
	case Get:
		switch {
		case o.Outcome != Applied:
			return fmt.Sprintf("get -> %s", o.Outcome)
		case o.Found:
			return "get -> " + o.Read
		}
		return "get -> (none)"
	case Swap:
		text += fmt.Sprintf(" %s for %s", o.Expected, o.Value)
	case Put, Create:
		text += " " + o.Value
	}
	if o.TTL > 0 {
		text += fmt.Sprintf(" (ttl %v)", o.TTL)
	}
	text = fmt.Sprintf("%s -> %s", text, o.Outcome)
	if o.IsAcknowledged() && o.Found {
		text += ", replaced a value"
	}
	return text
}

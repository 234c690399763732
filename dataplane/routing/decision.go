package routing

import (
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// Step is what to do next with a request.
type Step uint8

const (
	// Send the operation to node To, in epoch Epoch; then Answered or Failed, or
	// Next at Until. An attempt that is still under way is given up: how it ends
	// is not reported any more.
	Send Step = iota + 1
	// WaitMap until the map is newer than version After, or until Until.
	WaitMap
	// Await the end of the attempt under way, at most until Until.
	Await
	// Finish: the request has ended with Verdict.
	Finish
)

// Verdict is what may be said of a request that has ended.
type Verdict uint8

const (
	// Answered: Decision.Answer holds.
	Answered Verdict = iota + 1
	// Unavailable: never applied, and never will be (503).
	Unavailable
	// OutcomeUnknown: a write may have been applied, or may yet be (504).
	OutcomeUnknown
)

// Reason says, for people, what a request waited for.
type Reason uint8

const (
	// NoMap: the node has no map yet.
	NoMap Reason = iota + 1
	// NotPlaced: the first placement has not happened.
	NotPlaced
	// NoSuchPartition: the map has no such partition.
	NoSuchPartition
	// NoPrimary: the partition has no primary.
	NoPrimary
	// NotReached: there is no connection to the primary.
	NotReached
	// Refused: the node asked is not the primary in that epoch.
	Refused
	// NotReady: the primary did not get to the operation in time.
	NotReady
	// LeaseLost: the primary lost its lease before it could answer.
	LeaseLost
	// ReplicaFailed: the primary cannot read its storage.
	ReplicaFailed
	// NoAnswer: an attempt may have been logged, and its end is not known.
	NoAnswer
	// GivenUp: the caller did not wait for the end.
	GivenUp
)

// Decision is the next step of a request. Which fields count depends on Step.
type Decision struct {
	Step    Step
	To      partition.NodeID // Send
	Epoch   partition.Epoch  // Send
	After   uint64           // WaitMap: the map version in hand
	Until   replica.Time     // Send, WaitMap, Await: call Next then at the latest
	Verdict Verdict          // Finish
	Answer  replica.Answer   // Finish, Answered
	Reason  Reason           // WaitMap; Finish, not Answered
}

package state

import (
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// What a command is refused for. Errors in results wrap one of these, with the
// subject and what an operator can do about it. A refused command, or a refused
// part of one, has changed nothing.
var (
	ErrNoCluster       = errors.New("the cluster is not created yet")
	ErrExists          = errors.New("the cluster exists with other values")
	ErrPlaced          = errors.New("the first placement has happened")
	ErrNotPlaced       = errors.New("the partition is not placed")
	ErrStale           = errors.New("the map has moved on")
	ErrInvalid         = errors.New("the command is not well-formed")
	ErrNotInSync       = errors.New("only an in-sync replica may become primary")
	ErrUnknownStore    = errors.New("the map does not know the node by that store")
	ErrNotLearner      = errors.New("only a learner may be added")
	ErrNotProposer     = errors.New("the proposer may not ask for that")
	ErrNotEligible     = errors.New("the node holds no eligible copy")
	ErrNoCopy          = errors.New("the node holds no copy")
	ErrOldStart        = errors.New("the map knows a later start of the node")
	ErrTwoHistories    = errors.New("the map and the data directory name different starts with the same counter")
	ErrNotDisputed     = errors.New("no start of the node waits for the operator")
	ErrMayRun          = errors.New("an earlier start of the node may still run at another address")
	ErrOnlyCopy        = errors.New("no other live node has a copy of a partition that counts, and the node's earlier start ran at another address")
	ErrGivenUp         = errors.New("the disk belongs to a history that was given up")
	ErrElsewhere       = errors.New("the node's ID is known with another store at another address")
	ErrAddressTaken    = errors.New("the address belongs to another live node")
	ErrStoreTaken      = errors.New("the store belongs to another node")
	ErrUnknownNode     = errors.New("the map does not know the node")
	ErrRemoved         = errors.New("the node was removed from the cluster with that disk")
	ErrStillHolds      = errors.New("the node still holds replicas")
	ErrMoving          = errors.New("the partition is moved already")
	ErrNoMove          = errors.New("there is no such move")
	ErrNotDone         = errors.New("the move is not done")
	ErrTaken           = errors.New("the node has a replica already")
	ErrNoDuty          = errors.New("the node is not there to hold replicas")
	ErrTooFewNodes     = errors.New("too few other nodes of full duty would be left")
	ErrOperationReused = errors.New("the ID belongs to another command; give this one an ID of its own")
	ErrNotBehind       = errors.New("the map is not behind: there is nothing to recover it from")
	ErrNotReported     = errors.New("nodes have not reported yet")
	ErrMapBehind       = errors.New("the coordinators went back to an old map, so it is frozen: holdfast recover-map goes on from what the nodes have")
)

// StaleError is ErrStale with what the map says now.
type StaleError struct {
	Asked   partition.Epoch
	Current *partition.Configuration
}

// Error implements error.
func (e *StaleError) Error() string {
	return fmt.Sprintf("change %v at epoch %d: %v: it is at epoch %d", e.Current.ID, e.Asked, ErrStale, e.Current.Epoch)
}

// Is makes errors.Is(err, ErrStale) hold.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// Result tells what became of a command.
type Result struct {
	// Err is why the command as a whole was refused; nil where it was applied,
	// or was there already.
	Err error
	// Verdicts are one for each change of Changes and Fail, in their order; for
	// Begin and End, one for each move; for Register, those of the copies that
	// were refused or found lost.
	Verdicts []Verdict
	// Above, of a refused registration, is the counter that the next start of the
	// node must exceed; 0: any will do.
	Above uint64
	// Operation is what is remembered of an Admin command, be it from now or from
	// the first time; nil for other commands.
	Operation *Operation
}

// Verdict tells what became of a command's part about one partition.
type Verdict struct {
	Partition partition.ID
	// Err is nil where it was accepted. A StaleError carries Current too.
	Err error
	// Current is what the map says after the command; nil where the partition
	// does not exist.
	Current *partition.Configuration
}

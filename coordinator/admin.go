package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// operation is an admin command with what makes it safe to repeat.
type operation struct {
	what        string // in words, for errors: "drain n4"
	id          string
	fingerprint uint64
	node        partition.NodeID // the answer is about
	partition   partition.ID     // the answer is about
}

// fingerprintOf hashes what the operator asked for. The caller takes out what may
// differ when the same command is given again.
func fingerprintOf(m protocol.Message) uint64 { return xxhash.Sum64(protocol.Encode(m)) }

// recall returns what the state machine remembers of the operation, if that is its
// result; or the steps that it has done, which is no result yet.
func (c *Coordinator) recall(o *operation) (known state.Operation, found bool, err error) {
	if err := state.ValidOperationID(o.id); err != nil {
		return state.Operation{}, false, err
	}
	known, found = c.fsm.operation(o.id)
	if found && known.Fingerprint != o.fingerprint {
		return state.Operation{}, false, fmt.Errorf("operation ID %q: %w", o.id, state.ErrOperationReused)
	}
	return known, found, nil
}

// settle has the state machine apply a step of the operation, unless it has a
// result already, which is then returned.
func (c *Coordinator) settle(ctx context.Context, o *operation, step state.Admin) (state.Operation, error) {
	step.ID, step.Fingerprint = o.id, o.fingerprint
	step.Partition = o.partition
	if step.Node == "" {
		step.Node = o.node
	}
	result, err := c.commit(ctx, step)
	if err != nil {
		return state.Operation{}, err
	}
	if result.Operation == nil {
		return state.Operation{}, fmt.Errorf("%w: the state machine remembers nothing of the operation", errOutcomeUnknown)
	}
	return *result.Operation, nil
}

// refuse settles the operation as refused: a copy of the request that arrives later
// is refused as well, whatever the map says by then.
func (c *Coordinator) refuse(ctx context.Context, o *operation, reason error) (state.Operation, error) {
	known, err := c.settle(ctx, o, state.Admin{Refused: reason.Error()})
	if errors.Is(err, errOutcomeUnknown) {
		// Whatever becomes of the record, this attempt does not apply the command.
		err = fmt.Errorf("%w: %w; not recorded: %w", errNotApplied, reason, err)
	}
	return known, err
}

// settled is the reply to an operation with a result; body makes the answer to one
// that was applied.
func settled(o *operation, known state.Operation, err error, body func(state.Operation) any) protocol.Reply {
	switch {
	case err != nil:
		return failed(o.what, err)
	case known.Refused != "":
		return protocol.Reply{Code: protocol.Refused, Text: o.what + ": " + known.Refused}
	}
	return answerWith(known.Version, body(known))
}

// answerWith is the reply to what was done, or looked at.
func answerWith(version uint64, body any) protocol.Reply {
	raw, err := json.Marshal(body)
	if err != nil {
		return protocol.Reply{Code: protocol.Unknown, Text: err.Error()}
	}
	return protocol.Reply{Code: protocol.OK, Version: version, Body: raw}
}

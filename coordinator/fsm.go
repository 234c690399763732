package coordinator

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// fsm is coordinator/state as Raft wants it. It publishes each new map.
type fsm struct {
	current atomic.Pointer[partition.Map]
	changed chan struct{} // has one element after a change, for the map streams
	failed  func(error)   // told once, of what makes going on impossible

	mu struct {
		sync.Mutex
		machine *state.Machine
		err     error         // after this nothing is applied
		next    chan struct{} // closed with the next map
	}
}

func newFSM(failed func(error)) *fsm {
	f := &fsm{changed: make(chan struct{}, 1), failed: failed}
	f.mu.machine = state.New()
	f.mu.next = make(chan struct{})
	f.current.Store(f.mu.machine.Map())
	return f
}

// Map is the newest map applied here.
func (f *fsm) Map() *partition.Map { return f.current.Load() }

// next is closed when a map follows the one that Map returns after this call.
func (f *fsm) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.next
}

// Apply implements raft.FSM. A command that this version does not understand
// ends the coordinator: to skip it would make its map another one.
func (f *fsm) Apply(l *raft.Log) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.err != nil {
		return state.Result{Err: f.mu.err}
	}
	c, err := state.Decode(l.Data)
	if err != nil {
		f.mu.err = fmt.Errorf("apply Raft entry %d: %w", l.Index, err)
		f.failed(f.mu.err)
		return state.Result{Err: f.mu.err}
	}
	if n, is := c.(state.NoteRestored); is {
		n.Term = l.Term
		c = n
	}
	r := f.mu.machine.Apply(l.Index, c)
	f.publish()
	return r
}

// publish shows the machine's map to everybody. The caller holds mu.
func (f *fsm) publish() {
	m := f.mu.machine.Map()
	if m == f.current.Load() {
		return
	}
	f.current.Store(m)
	close(f.mu.next)
	f.mu.next = make(chan struct{})
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Snapshot implements raft.FSM.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.err != nil {
		return nil, f.mu.err
	}
	return fsmSnapshot(f.mu.machine.Snapshot()), nil
}

// Restore implements raft.FSM.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read Raft snapshot: %w", err)
	}
	m, err := state.Restore(raw)
	if err != nil {
		return fmt.Errorf("restore Raft snapshot: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.machine = m
	f.publish()
	return nil
}

// seats are the coordinators' places that were given anew.
func (f *fsm) seats() []state.Voter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.machine.Seats()
}

// operation is what the machine remembers of an admin command.
func (f *fsm) operation(id string) (state.Operation, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.machine.Operation(id)
}

// overrides are the operators' decisions that the machine remembers.
func (f *fsm) overrides() []state.Override {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]state.Override{}, f.mu.machine.Overrides()...)
}

// unsettled are the starts that wait for the operator.
func (f *fsm) unsettled() []state.UnsettledStart {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]state.UnsettledStart{}, f.mu.machine.Unsettled()...)
}

// behind is what is known of a map that is behind.
func (f *fsm) behind() state.Behind {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.machine.Behind()
}

// descent tells how a map that somebody has relates to those applied here.
func (f *fsm) descent(s partition.Stamp) state.Descent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.machine.Descent(s)
}

// planRecovery is what recovering the map would do now.
func (f *fsm) planRecovery(lost []partition.NodeID) (state.MapRecovery, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.machine.PlanRecovery(lost)
}

type fsmSnapshot []byte

// Persist implements raft.FSMSnapshot.
func (s fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := sink.Write(s); err != nil {
		_ = sink.Cancel()
		return fmt.Errorf("write Raft snapshot: %w", err)
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (s fsmSnapshot) Release() {}

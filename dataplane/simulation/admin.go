package simulation

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	// attemptTime is how long the operator waits for the answer to one attempt, and
	// longestCommand how long one command is tried.
	attemptTime    = time.Second
	longestCommand = 5 * time.Second
)

// commandFate is what the operator knows of an admin command.
type commandFate int

const (
	commandOpen commandFate = iota
	commandApplied
	commandRefused
	commandNotApplied // reported: it never will be, either
	commandUnknown    // reported: it may have been applied, or may yet be
)

// adminCommand is one admin command of the operator, with its operation ID. It is
// sent again with the same ID while it has no result.
type adminCommand struct {
	w       *world
	id      string
	command state.Command
	judged  *partition.Map // what the operator looked at

	fate    commandFate
	until   instant // when the operator gives up
	tried   bool    // an attempt may have been applied
	effects int     // entries with this ID that changed the map
	result  *state.Operation
}

// admin has the operator give a command.
func (w *world) admin(command state.Command) *adminCommand {
	a := &adminCommand{
		w: w, id: fmt.Sprintf("op-%d", len(w.commands)), command: command, judged: w.raft.machine.Map(),
		until: w.now.add(longestCommand),
	}
	w.commands[a.id] = a
	w.coverage[adminCommands]++
	w.logf("the operator gives %s: %T %+v", a.id, command, command)
	a.attempt()
	return a
}

// attempt sends the command by way of any coordinator. What becomes of it is known
// from the answer, if one comes: to a coordinator that does not run nothing is sent.
func (a *adminCommand) attempt() {
	w := a.w
	via := w.coordinators[w.pick(coordinators)]
	if !via.up {
		a.again(false)
		return
	}
	answered := false
	answer := func(applied *state.Operation, maybe bool) {
		if !w.quiet && w.chance(w.profile.unsure) {
			w.coverage[adminAnswersLost]++
			return
		}
		first := !answered
		answered = true
		switch {
		case applied != nil:
			a.answered(applied)
		case first:
			a.again(maybe)
		}
	}
	w.after(attemptTime, func() {
		if !answered {
			answered = true
			a.again(true)
		}
	})
	send := func() { a.forward(via, answer) }
	switch {
	case w.quiet || !w.chance(w.profile.unsure):
		send()
	case w.chance(0.5):
		w.coverage[adminAttemptsLost]++
	default: // it arrives when the operator does not wait for it any more
		w.coverage[adminAttemptsLate]++
		w.after(w.between(attemptTime, 4*time.Second), send)
	}
}

// forward takes an attempt to the leader. Where there is none, it is not applied.
func (a *adminCommand) forward(via *coordinator, answer func(*state.Operation, bool)) {
	w := a.w
	if w.raft.leader < 0 {
		answer(nil, false)
		return
	}
	leader := w.coordinators[w.raft.leader]
	back := answer
	if leader != via {
		back = func(o *state.Operation, maybe bool) {
			w.net.send(leader.index, via.index, func() { answer(o, maybe) })
		}
	}
	run := func() {
		if w.raft.leader < 0 || w.coordinators[w.raft.leader] != leader {
			back(nil, false)
			return
		}
		a.lead(back)
	}
	if leader == via {
		run()
		return
	}
	w.net.send(via.index, leader.index, run)
}

// lead is what the leader does with an attempt. A result that is known it need not
// ask the state machine for; that must know it all the same, for two attempts may
// be in the log.
func (a *adminCommand) lead(answer func(*state.Operation, bool)) {
	r := a.w.raft
	if o, known := r.machine.Operation(a.id); known && a.w.chance(0.5) {
		answer(&o, false)
		return
	}
	c := state.Admin{ID: a.id, Command: a.command, Node: nodeOf(a.command)}
	if p, of := partitionOf(a.command); of {
		c.Partition = p
	}
	r.proposeFor(c, func(result *state.Result) {
		if result == nil {
			answer(nil, true)
			return
		}
		answer(result.Operation, false)
	})
}

func nodeOf(c state.Command) partition.NodeID {
	switch v := c.(type) {
	case state.Assign:
		return v.Node
	case state.Weigh:
		return v.Node
	case state.Recover:
		return v.Node
	case state.UnsafeRecover:
		return v.Node
	}
	return ""
}

func partitionOf(c state.Command) (partition.ID, bool) {
	switch v := c.(type) {
	case state.Recover:
		return v.Partition, true
	case state.UnsafeRecover:
		return v.Partition, true
	}
	return 0, false
}

// answered is a result: the operation's, be it of this attempt or of another.
func (a *adminCommand) answered(o *state.Operation) {
	// Coordinators that went back have forgotten what they answered.
	whole := a.w.back.history == 0
	if whole && a.result != nil && *o != *a.result {
		a.w.fail("%s is answered with %+v, and was with %+v", a, *o, *a.result)
	}
	a.result = o
	fate := commandApplied
	if o.Refused != "" {
		fate = commandRefused
		a.w.coverage[adminRefused]++
	}
	switch a.fate {
	case commandOpen, commandUnknown:
		a.fate = fate
		a.w.logf("the operator hears that %s was %s", a, commandFateNames[fate])
	case commandNotApplied:
		if whole && fate == commandApplied {
			a.w.fail("%s was reported as not applied, and is", a)
		}
	case commandApplied, commandRefused:
	}
	if a.tried {
		a.w.coverage[adminSettled]++
	}
}

// again repeats a command that has no result yet, or gives it up. Once an attempt
// may have been applied, "not applied" of another says nothing about the command.
func (a *adminCommand) again(maybe bool) {
	w := a.w
	a.tried = a.tried || maybe
	switch {
	case a.fate != commandOpen:
	case w.now < a.until:
		w.coverage[adminRepeated]++
		w.after(w.between(20*time.Millisecond, 700*time.Millisecond), func() {
			if a.fate == commandOpen {
				a.attempt()
			}
		})
	case a.tried:
		a.fate = commandUnknown
		w.coverage[adminUnknown]++
	default:
		a.fate = commandNotApplied
		w.coverage[adminNotApplied]++
		if a.effects > 0 {
			w.fail("%s is reported as not applied, and was applied", a)
		}
	}
}

// String names the command.
func (a *adminCommand) String() string { return fmt.Sprintf("%s (%T)", a.id, a.command) }

var commandFateNames = [...]string{"open", "applied", "refused", "not applied", "unknown"}

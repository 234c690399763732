package simulation

import (
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/wire"
	"github.com/holdfast-io/holdfast/partition"
)

// Everything that travels between processes, or to a disk, is encoded and decoded on
// its way, as in the product. So a field that an encoding forgets shows here, and no
// two processes share memory.

// message returns what the receiver of an encoded message decodes.
func (w *world) message(body []byte) replica.Message {
	m, rest, err := wire.DecodeMessage(body)
	if err != nil || len(rest) > 0 {
		w.fail("a message of %d bytes is decoded with %d left over: %v", len(body), len(rest), err)
	}
	return m
}

// operation returns what the node that an operation is forwarded to decodes. Its
// deadline is by that node's clock.
func (w *world) operation(body []byte, now replica.Time) replica.Operation {
	op, err := wire.DecodeOperation(body, now)
	if err != nil {
		w.fail("an operation is not decoded: %v", err)
	}
	return op
}

// forwardedAnswer returns what the node that forwarded an operation decodes.
func (w *world) forwardedAnswer(a replica.Answer) replica.Answer {
	tag := a.Tag
	a, err := wire.DecodeAnswer(wire.AppendAnswer(nil, &a))
	if err != nil {
		w.fail("an answer is not decoded: %v", err)
	}
	a.Tag = tag
	return a
}

// logged returns the record as a replay of the log finds it.
func (w *world) logged(r entry.Record) entry.Record {
	if r.Entry != nil {
		e, rest, err := entry.DecodeEntry(r.Entry.AppendTo(nil))
		if err != nil || len(rest) > 0 {
			w.fail("an entry is decoded with %d left over: %v", len(rest), err)
		}
		r.Entry = &e
	}
	if r.Configuration != nil {
		c, rest, err := wire.DecodeConfiguration(wire.AppendConfiguration(nil, r.Configuration))
		if err != nil || len(rest) > 0 {
			w.fail("a configuration is decoded with %d left over: %v", len(rest), err)
		}
		r.Configuration = c
	}
	return r
}

// throughProtocol returns what a coordinator, or a node, decodes of a message of
// theirs.
func throughProtocol[M protocol.Message](w *world, m M) M {
	decoded, err := protocol.Decode(protocol.Encode(m))
	if err != nil {
		w.fail("a %T is not decoded: %v", m, err)
		return m
	}
	return decoded.(M)
}

// registered returns the registration as the coordinators make a command of it.
func (w *world) registered(r state.Register) state.Register {
	m := protocol.Register{
		Node: r.Node, Accepted: r.Accepted, AcceptedIn: r.AcceptedIn, Since: r.Since, Stateless: r.Stateless, Map: r.Map,
	}
	for _, c := range r.Copies {
		m.Copies = append(m.Copies, protocol.Copy(c))
	}
	m = throughProtocol(w, m)
	out := state.Register{
		Node: m.Node, Accepted: m.Accepted, AcceptedIn: m.AcceptedIn, Since: m.Since, Stateless: m.Stateless, Map: m.Map, Live: r.Live, Silent: r.Silent,
	}
	for _, c := range m.Copies {
		out.Copies = append(out.Copies, state.Copy(c))
	}
	return out
}

// streamed returns the map as a node has it from its stream: by a delta to the map
// that it has, or whole.
func (w *world) streamedMap(have, m *partition.Map, whole bool) *partition.Map {
	if have == nil || whole {
		return throughProtocol(w, protocol.Snapshot{Map: m}).Map
	}
	d := throughProtocol(w, protocol.Delta{Delta: partition.DeltaOf(have, m)}).Delta
	next, err := have.Apply(d)
	if err != nil {
		w.fail("a delta from map %d to %d does not apply: %v", have.Version, m.Version, err)
		return m
	}
	return next
}

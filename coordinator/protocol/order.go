package protocol

import (
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// Do is what an operator orders.
type Do uint8

// The orders; numbers are never used again.
const (
	Drain Do = iota + 1
	Undrain
	RemoveNode
	Weigh
	Rebalance
	AddCoordinator
	RemoveCoordinator
	AcceptStart
)

var doNames = [...]string{Drain: "drain", Undrain: "undrain", RemoveNode: "remove", Weigh: "weight", Rebalance: "rebalance",
	AddCoordinator: "add coordinator", RemoveCoordinator: "remove coordinator", AcceptStart: "accept-start"}

// String returns the command line's word for the order.
func (d Do) String() string {
	if d == 0 || int(d) >= len(doNames) {
		return fmt.Sprintf("order-%d", uint8(d))
	}
	return doNames[d]
}

// Order is what an operator wants done about a node, or about how moves are made.
type Order struct {
	Do        Do
	Node      partition.NodeID // or the coordinator
	Lost      bool             // of RemoveNode: its process is stopped for good, and its disk given up
	Confirm   bool             // of RemoveNode with Lost: do it, not only say what it may lose
	Weight    uint32           // of Weigh
	Rebalance partition.RebalanceChange
	Store     partition.StoreID // of AcceptStart; 0: the only one in question
	// Operation is the ID that makes the order safe to repeat.
	Operation string
	// Incarnation is the start of the node that RemoveNode with Lost was judged
	// of; 0: whichever the leader sees.
	Incarnation uint64
}

func (m Order) encode(e *encoder) {
	e.byte(byte(m.Do))
	e.node(m.Node)
	e.bool(m.Lost)
	e.bool(m.Confirm)
	e.uint(uint64(m.Weight))
	optional(e, m.Rebalance.Paused, (*encoder).bool)
	optional(e, m.Rebalance.AtOnce, func(e *encoder, v int) { e.int(int64(v)) })
	optional(e, m.Rebalance.AtOnceEach, func(e *encoder, v int) { e.int(int64(v)) })
	optional(e, m.Rebalance.Throttle, (*encoder).int)
	e.uint(m.Incarnation)
	e.store(m.Store)
	e.string(m.Operation)
}

func decodeOrder(d *decoder) Order {
	m := Order{Do: Do(d.byte()), Node: d.node(), Lost: d.bool(), Confirm: d.bool(), Weight: d.uint32()}
	if d.err == nil && (m.Do == 0 || int(m.Do) >= len(doNames)) {
		d.fail(m.Do.String())
	}
	number := func(d *decoder) int { return int(d.int()) }
	m.Rebalance = partition.RebalanceChange{
		Paused: ifThere(d, (*decoder).bool), AtOnce: ifThere(d, number), AtOnceEach: ifThere(d, number), Throttle: ifThere(d, (*decoder).int),
	}
	m.Incarnation, m.Store, m.Operation = d.uint(), d.store(), d.string()
	return m
}

func optional[T any](e *encoder, v *T, one func(*encoder, T)) {
	e.bool(v != nil)
	if v != nil {
		one(e, *v)
	}
}

func ifThere[T any](d *decoder, one func(*decoder) T) *T {
	if !d.bool() {
		return nil
	}
	v := one(d)
	return &v
}

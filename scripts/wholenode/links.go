package main

import (
	"context"
	"fmt"
	"time"
)

// link harms links for a while.
func (n *nemesis) link(ctx context.Context, s step) {
	n.alone.Lock()
	defer n.alone.Unlock()
	if ctx.Err() != nil {
		return
	}
	defer n.note(n.harmLinks(s))()
	sleep(ctx, s.lasting)
	n.network.HealAll()
}

// harmLinks begins a fault of links, and describes it.
func (n *nemesis) harmLinks(s step) (what string) {
	names, net := n.names(), n.network
	one := n.nodes[s.first].name
	// The other end is any process: which one, the step's own seed says.
	other := names[s.seed%uint64(len(names))]
	if other == one {
		other = n.nodes[s.second].name
	}
	switch s.kind {
	case "cut both ways":
		net.CutBoth(one, other)
		return fmt.Sprintf("%s and %s do not hear each other", one, other)
	case "cut one way":
		net.Cut(one, other)
		return fmt.Sprintf("%s does not hear %s", other, one)
	case "isolate":
		n.around(one, net.CutBoth)
		return one + " and the others do not hear each other"
	case "mute":
		n.around(one, net.Cut)
		return "no process hears " + one
	case "split":
		half := 1 + s.first%(len(n.nodes)-1)
		for _, a := range n.nodes[:half] {
			for _, b := range n.nodes[half:] {
				net.CutBoth(a.name, b.name)
			}
		}
		return fmt.Sprintf("%s to %s do not hear the other nodes", n.nodes[0].name, n.nodes[half-1].name)
	case "delay":
		by := time.Duration(5+s.seed%300) * time.Millisecond
		n.around(one, func(from, to string) { net.Delay(from, to, by); net.Delay(to, from, by) })
		return fmt.Sprintf("%v more from and to %s", by, one)
	case "throttle":
		n.around(one, func(from, to string) { net.Throttle(from, to, 64<<10) })
		return one + " sends 64 KiB a second"
	case "reset":
		n.resetLinks(one)
		return "every connection of " + one + " is reset"
	case "lose a write":
		n.around(one, net.Drop)
		return "a write of each connection from " + one + " is lost"
	case "no coordinators":
		for _, c := range n.coordinators {
			net.CutBoth(one, c.name)
		}
		return one + " and the coordinators do not hear each other"
	}
	return "no such fault: " + s.kind
}

// around does something to the links between a process and each other one.
func (n *nemesis) around(one string, do func(one, other string)) {
	for _, other := range n.names() {
		if other != one {
			do(one, other)
		}
	}
}

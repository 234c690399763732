package main

const coordinatorDir = "coordinator/"

var coordinatorMutants = []mutant{
	{"a coordinator is removed though those that stay have no majority", coordinatorDir + "voters.go",
		"reached <= staying/2", "reached < staying/2", ""},
	{"a follower that asked for a snapshot gets one after another", coordinatorDir + "mapstream.go",
		"f.have, f.whole = newest, false", "f.have = newest", ""},
	{"the end of an old connection forgets the newer one", coordinatorDir + "relay.go",
		"	if r.mu.nodes[who.NodeStart()] == conn {\n		delete(r.mu.nodes, who.NodeStart())\n	}\n", "	delete(r.mu.nodes, who.NodeStart())\n", ""},
	{"a hint names whom its sender likes", coordinatorDir + "relay.go",
		"	m.From = from.NodeStart() //", "	_ = from //", ""},
	{"a command that was in the log counts as not applied", coordinatorDir + "commit.go",
		"errors.Is(err, raft.ErrLeadershipTransferInProgress):", "errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrLeadershipLost):", ""},
	{"a command that nobody waited for counts as not applied", coordinatorDir + "commit.go",
		"		return fmt.Errorf(\"%w: %w\", errOutcomeUnknown, ctx.Err())\n	}\n}\n\n// outcome", "		return fmt.Errorf(\"%w: %w\", errNotApplied, ctx.Err())\n	}\n}\n\n// outcome", ""},
	{"no time left means no limit", coordinatorDir + "commit.go",
		"return max(limit, time.Millisecond)", "return max(limit, 0)", ""},
	{"the least throttle is refused", coordinatorDir + "order.go",
		"*t > 0 && *t < leastThrottle", "*t > 0 && *t <= leastThrottle", ""},
	{"what stops taking writes is not told of", coordinatorDir + "order.go",
		"len(c.Replicas) <= m.Settings.MinInSync", "len(c.Replicas) < m.Settings.MinInSync", ""},
	{"a change of the coordinators never ends", coordinatorDir + "voters.go",
		"		defer func() { <-c.changing }()\n", "", ""},
	{"a start that saw the newest map is not told that it is superseded", coordinatorDir + "requests.go",
		"current.Version < m.Superseded", "current.Version <= m.Superseded", ""},
	{"a node whose address is taken is refused for good", coordinatorDir + "requests.go",
		"		errors.Is(err, state.ErrOnlyCopy),     // until the operator has said which directory is right\n		errors.Is(err, state.ErrAddressTaken): //", "		errors.Is(err, state.ErrOnlyCopy): //", ""},
	{"a new leader decides before it has applied everything", coordinatorDir + "leader.go",
		"		if err := c.barrier(g); err != nil {\n			c.log.Warn(\"leader has not", "		if err := error(nil); err != nil {\n			c.log.Warn(\"leader has not",
		"Raft applies what was committed before in order, ahead of the leader's own commands, so these are judged by the newest map all the same; only the leader's first look at who is live may be at an old one, and no test holds a leader's state machine back"},
}

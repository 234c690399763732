package main

// rule is one of the design's rules, and how to break it in the source.
type rule struct {
	name  string
	edits []edit
}

// edit replaces a text that a file has once.
type edit struct{ file, old, new string }

const (
	replicaDir  = "dataplane/replica/"
	routingDir  = "dataplane/routing/"
	stateDir    = "coordinator/state/"
	inSyncBelow = "r.inBoth() < r.g.cfg.MinInSync || "
)

// rules are those whose absence loses a write, serves an old value, applies
// something twice, or blocks a partition. See DESIGN.md beside each file.
var rules = []rule{
	{"W2 acknowledged before the fsync", []edit{{replicaDir + "follow.go",
		"Sequence: min(r.agreed, r.durable), Epoch", "Sequence: r.agreed, Epoch"}}},
	{"W2 acknowledged before comparison", []edit{{replicaDir + "follow.go",
		"Sequence: min(r.agreed, r.durable), Epoch", "Sequence: r.durable, Epoch"}}},
	{"W3 own fsync not waited for", []edit{{replicaDir + "takeover.go",
		"upTo := r.durable\n", "upTo := r.log.last().Sequence\n"}}},
	{"W3 commits below min-in-sync", []edit{{replicaDir + "takeover.go",
		"if " + inSyncBelow + "upTo <= r.committed", "if upTo <= r.committed"}}},
	{"W4 older epochs accepted", []edit{{replicaDir + "follow.go",
		"if m.Epoch < r.conf.Epoch {", "if false {"}}},
	{"W5 refusals do not wait", []edit{{replicaDir + "operate.go",
		"case prepared:\n", "case false:\n"}}},
	{"W5 refusals without lease", []edit{
		{replicaDir + "operate.go", "case !r.mayRead():\n", "case false:\n"},
		{replicaDir + "operate.go", "a.Leased, a.LeaseUntil = !alone, until", "a.Leased, a.LeaseUntil = !alone && a.Outcome != PreconditionFailed, until"},
	}},
	{"C1 a timeout ends a change", []edit{{replicaDir + "change.go",
		"	c := r.change\n	if r.g.now < c.next {", "	c := r.change\n	if r.g.now.Sub(c.began) > 600*time.Millisecond {\n		r.change = nil\n		return\n	}\n	if r.g.now < c.next {"}}},
	{"C2 commits with the new set only", []edit{{replicaDir + "takeover.go",
		"	if m.inSync {\n		return true\n	}\n	if r.change == nil {\n		return false\n	}",
		"	if r.change == nil {\n		return m.inSync\n	}"}}},
	{"C2 commits with the old set only", []edit{{replicaDir + "takeover.go",
		"	if r.change == nil {\n		return false\n	}\n	_, ok", "	if true {\n		return false\n	}\n	_, ok"}}},
	{"C2 min-in-sync of the new set", []edit{{replicaDir + "takeover.go",
		"	if r.change == nil {\n		return len(r.conf.Replicas)\n	}", "	if r.change == nil {\n		return len(r.conf.Replicas)\n	}\n	if true {\n		return len(r.change.Replicas)\n	}"}}},
	{"C5 eligible not remembered", []edit{{stateDir + "transition.go",
		"	return without(union(cur.Eligible, removed), replicas)", "	return nil"}}},
	{"C5 eligible not cleared", []edit{{stateDir + "transition.go",
		"	if len(replicas) >= minInSync {\n		return nil\n	}\n	return without(union(cur.Eligible, removed), replicas)",
		"	return without(union(without(cur.Eligible, removed), removed), replicas)"}}},
	{"T2 what differs is kept", []edit{{replicaDir + "log.go",
		"return e != nil && e.Epoch == p.Epoch", "return e != nil"}}},
	{"T2 cut to committed", []edit{{replicaDir + "replica.go",
		"			r.role = Secondary\n", "			r.role = Secondary\n			r.replaceFrom(max(r.committed, r.log.base.Sequence) + 1)\n"}}},
	{"T3 reads what is prepared", []edit{{replicaDir + "operate.go",
		" || r.role == Committing && r.prepared[string(op.Key)] != nil", ""}}},
	{"L2 no promise", []edit{{replicaDir + "beacon.go",
		"		r.promise(from.Node, length)\n", "		_ = length\n"}}},
	{"L2 promises as short as leases", []edit{{replicaDir + "beacon.go",
		"length := g.promiseFor(b.Lease)", "length := b.Lease"}}},
	{"L3 no lease", []edit{{replicaDir + "operation.go",
		"return v != nil && v.Serving && (v.Alone || now < v.LeaseUntil)", "return v != nil && v.Serving"}}},
	{"L3 lease from the answer", []edit{{replicaDir + "beacon.go",
		"sent.at.Add(g.cfg.Timings.Lease)", "g.now.Add(g.cfg.Timings.Lease)"}}},
	{"L4 claims of an old primary honoured", []edit{{replicaDir + "beacon.go",
		"return r.conf.Primary == from.Node", "return true"}}},
	{"L4 promises not waited for", []edit{{replicaDir + "takeover.go",
		" || r.promisesHold()", ""}}},
	{"L4 a release voids all promises", []edit{{replicaDir + "promise.go",
		"if r.promises[i].node == from.Node {\n			r.promises[i].until = 0", "if true {\n			r.promises[i].until = 0"}}},
	{"L5 no wait after a start", []edit{{replicaDir + "promise.go",
		"return g.now < g.cfg.Booted.Add(g.cfg.HeldPromise)", "return false"}}},
	{"L4 a release before grants run out", []edit{{replicaDir + "promise.go",
		" || r.g.now < r.grantsEnd()", ""}}},
	{"L6 grants from their arrival", []edit{{replicaDir + "grant.go",
		"r.grantUntil = since.Add(", "r.grantUntil = r.g.now.Add("}}},
	{"L6 grants that outlast the lease", []edit{{replicaDir + "grant.go",
		"until, _ := r.lease()\n", "until := now.Add(r.g.cfg.Timings.Lease)\n"}}},
	{"L6 counted as long as the holder does", []edit{{replicaDir + "grant.go",
		"out := now.Add(r.g.promiseFor(d))", "out := now.Add(d)"}}},
	{"L6 not void at a higher epoch", []edit{{replicaDir + "replica.go",
		"	r.follower = follower{}\n	r.change", "	r.follower = follower{grantUntil: r.grantUntil}\n	r.change"}}},
	{"C3 commits while grants are out", []edit{{replicaDir + "takeover.go",
		"if r.g.now < r.barred {", "if false {"}}},
	{"R1 dirty keys read", []edit{{replicaDir + "unapplied.go",
		"return u.counts[unappliedAt(key)].Load() == 0", "return len(key) >= 0"}}},
	{"R1 grant not checked", []edit{{replicaDir + "operation.go",
		"return v != nil && now < v.GrantUntil", "return v != nil && v.GrantUntil != 0"}}},
	{"K2 learner added too early", []edit{{replicaDir + "catchup.go",
		" && m.match >= r.committed && m.match >= r.marker", ""}}},
	{"Q1 prepared requests not found", []edit{{replicaDir + "operate.go",
		"if e := r.requests[op.Request]; e != nil {", "if e := r.requests[op.Request]; false {"}}},
	{"Q1 applied requests not found", []edit{{replicaDir + "operate.go",
		"		case applied:\n", "		case applied && false:\n"}}},
	{"Q3 forgotten requests accepted", []edit{{replicaDir + "operate.go",
		"		case forgotten:\n", "		case forgotten && false:\n"}}},
	{"Q4 refused for want of room before the ID is looked up", []edit{{replicaDir + "operate.go",
		"	if !op.Request.IsZero() {\n		if e := r.requests[op.Request]; e != nil {", "	if outcome := r.short().refuses(op.Action); outcome != 0 {\n		r.answer(Answer{Tag: op.Tag, Outcome: outcome})\n		return\n	}\n	if !op.Request.IsZero() {\n		if e := r.requests[op.Request]; e != nil {"}}},
	{"Q4 accepted in another epoch", []edit{{replicaDir + "operate.go",
		"case op.Epoch < r.conf.Epoch || r.role < Waiting:", "case r.role < Waiting:"}}},
	{"Q4 logged, then 'not applied'", []edit{{replicaDir + "replica.go",
		"r.answer(Answer{Tag: w.op.Tag, Outcome: Unknown})\n	}\n	r.primary", "r.answer(Answer{Tag: w.op.Tag, Outcome: TimedOut})\n	}\n	r.primary"}}},
	{"Q4 a refusal after an unknown", []edit{{routingDir + "answer.go",
		"if a.Epoch <= r.suspect {", "if false {"}}},
	{"Q4 503 after an unknown", []edit{{routingDir + "request.go",
		"if r.write && r.suspect != 0 {\n		return r.finish(Decision{Step: Finish, Verdict: OutcomeUnknown", "if false {\n		return r.finish(Decision{Step: Finish, Verdict: OutcomeUnknown"}}},
	{"4 no compare-and-set", []edit{{stateDir + "changes.go",
		"case c.Epoch != cur.Epoch, cur.Epoch != was.Epoch:", "case cur.Epoch != was.Epoch:"}}},
	{"4 a start does not raise epochs", []edit{{stateDir + "register.go",
		"	next := *cur\n	next.Epoch++\n	if next.Primary == b.node.ID {", "	next := *cur\n	if true {\n		return next\n	}\n	if next.Primary == b.node.ID {"}}},
	{"4 a wiped disk is not noticed", []edit{{stateDir + "register.go",
		"lostDisk := again && known.Store != n.Store", "lostDisk := false"}}},
}

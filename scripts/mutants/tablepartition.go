package main

const partitionDir = "partition/"

var partitionMutants = []mutant{
	{"quotas ignore what nodes have", partitionDir + "plan.go",
		"len(p.m.Partitions), p.factor, p.have)", "len(p.m.Partitions), p.factor, nil)", ""},
	{"a delta of another history is applied", partitionDir + "delta.go",
		"d.Since != m.Version || d.Base != m.History ||", "d.Since != m.Version ||", ""},
	{"eligible replicas beside enough in sync are valid", partitionDir + "validate.go",
		"len(c.Replicas) >= v.m.Settings.MinInSync", "len(c.Replicas) > v.m.Settings.MinInSync", ""},
	{"two nodes may have one store", partitionDir + "validate.go",
		"		owners[n.Store] = n.ID\n", "", ""},
	{"a partition that waits for an operator is moved", partitionDir + "plan.go",
		"moves || len(c.Replicas) == 0 || c.Primary == \"\"", "moves || len(c.Replicas) == 0", ""},
	{"primaries are planned while replicas move", partitionDir + "planprimaries.go",
		"!p.allTake || len(p.m.Moves) > 0", "!p.allTake", ""},
	{"a replica in sync is taken away before a learner", partitionDir + "plan.go",
		"p.inSync(id, a), p.inSync(id, b); x != y {\n		return y", "p.inSync(id, a), p.inSync(id, b); x != y {\n		return x", ""},
	{"the primary is moved where another replica would do", partitionDir + "plan.go",
		"p.m.Partitions[candidate].Primary != p.nodes[from].ID", "true", ""},
	{"the same map again gives a place away", partitionDir + "superseded.go",
		"next.Version <= old.Version", "next.Version < old.Version", ""},
	{"a node whose zone changed is the same", partitionDir + "compare.go",
		"n.Start() == o.Start() && n.Zone == o.Zone &&", "n.Start() == o.Start() &&", ""},
	{"primaries are planned while a replica learns", partitionDir + "planprimaries.go",
		"if !full || len(c.Learners) > 0 {", "if !full {", ""},
	{"two nodes of one peer address may run together", partitionDir + "start.go",
		"n.PeerAddr != \"\" || o.PeerAddr != \"\"", "n.PeerAddr != \"\" && o.PeerAddr == \"\"", ""},
	{"any throttle is valid", partitionDir + "validate.go",
		"r.Throttle < 0 || r.Throttle > MostThrottle", "r.Throttle < 0", ""},
}

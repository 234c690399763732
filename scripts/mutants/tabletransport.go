package main

const transportDir = "transport/"

var transportMutants = []mutant{
	{"a call queued during a write counts as unsent", transportDir + "send.go",
		"c.taken+uint64(c.queues[Ordinary].bytes))", "c.taken+uint64(c.backlog()))", ""},
	{"frames of an unverified peer are unbounded", transportDir + "hello.go",
		"max: maxHello}", "max: 1 << 30}", ""},
	{"urgent ranks queue without bound", transportDir + "send.go",
		"held > 0 && held+headerSize", "rank == Ordinary && held > 0 && held+headerSize", ""},
	{"a reader held by back-pressure is taken for silent", transportDir + "watch.go",
		"	if c.held {\n", "	if false {\n", ""},
	{"an answered request still counts against the bound", transportDir + "send.go",
		"	c.requests.Add(-cost)\n", "", ""},
	{"a verified connection stays on the list of unverified ones", transportDir + "listener.go",
		"	l.verified(raw)\n", "", ""},
	{"a stream gets its connection with the hello's deadline", transportDir + "listener.go",
		"		if err := raw.SetDeadline(time.Time{}); err != nil {\n			return nil, nil, err\n		}\n", "", ""},
	{"a connection keeps the hello's deadline", transportDir + "hello.go",
		"	if err := raw.SetDeadline(time.Time{}); err != nil {\n		return nil, err\n	}\n", "	_ = time.Time{}\n", ""},
	{"a link whose peer accepts and fails does not wait longer each time", transportDir + "link.go",
		"if c.now() > int64(wait.MaxInterval) {", "if true {", ""},
	{"after one call has timed out the others wait for ever", transportDir + "calls.go",
		"			t.earliest = min(t.earliest, c.deadline)\n", "", ""},
	{"nothing is sent on an idle connection", transportDir + "watch.go",
		"if !c.closing && c.waits() == 0 {", "if false {", ""},
	{"replies queue without bound", transportDir + "send.go",
		"len(body) > c.o.MaxFrame, c.backlog() > 2*c.o.SendBuffer:", "len(body) > c.o.MaxFrame:", ""},
	{"a call's end waits until the connection is looked at anyway", transportDir + "send.go",
		"if deadline < c.nextRun {", "if false {", ""},
	{"a reply that is too large for a frame is sent", transportDir + "send.go",
		"case len(body) > c.o.MaxFrame, c.backlog() >", "case c.backlog() >", ""},
}

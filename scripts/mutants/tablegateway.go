package main

const gatewayDir = "dataplane/gateway/"

var gatewayMutants = []mutant{
	{"memory of large answers is never given back", gatewayDir + "respond.go",
		"		defer c.g.release(large.reserved)\n", "", ""},
	{"answers have no write deadline", gatewayDir + "conn.go",
		"if now := time.Now(); c.until.Sub(now) < c.write/2 {", "if now := time.Now(); false {", ""},
	{"a small body may stall", gatewayDir + "body.go",
		"	deadline.SetReadDeadline(time.Now().Add(g.limits.BodyStall)) //nolint:errcheck // then the server's own holds\n", "", ""},
	{"an upload reserves its whole buffer again each time it grows", gatewayDir + "body.go",
		"g.reserve(b, size-int64(cap(b.bytes)))", "g.reserve(b, size)", ""},
	{"an upload that has ended stays on the list", gatewayDir + "uploads.go",
		"	delete(us.active, u)\n", "", ""},
	{"fast uploads are ended for room", gatewayDir + "uploads.go",
		"age > young && rate < fair", "age > young", ""},
	{"an upload's reserved memory is not noted", gatewayDir + "body.go",
		"	b.reserved += n\n", "", ""},
	{"a kept connection counts as being served between requests", gatewayDir + "server.go",
		"c.serving = false", "c.serving = true", ""},
	{"a node that ends closes connections that are used", gatewayDir + "server.go",
		"ok && !c.used.Load()", "ok", ""},
	{"a deadline set during a read does not end it", gatewayDir + "lazyread.go",
		"	if c.reading {\n		return c.arm()\n	}\n", "", ""},
	{"a key of the longest length is refused", gatewayDir + "key.go",
		"len(path) > len(prefix)+MaxKey", "len(path) >= len(prefix)+MaxKey", ""},
	{"the longest timeout is refused", gatewayDir + "key.go",
		"case d > longest:", "case d >= longest:", ""},
	{"a request's ID is never closed", gatewayDir + "kv.go",
		"	c.g.backend.CloseRequest(x.op.Request)\n", "", ""},
	{"a body's memory is given back while an attempt has it", gatewayDir + "exchange.go",
		"	x.users.Add(1)\n", "", ""},
}

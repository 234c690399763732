package main

const clientDir = "dataplane/client/"

var clientMutants = []mutant{
	{"conditional writes have no Idempotency-Key", clientDir + "options.go",
		"c.write && !named {", "c.write && !named && c.header.Get(\"If-Match\")+c.header.Get(\"If-None-Match\") == \"\" {", ""},
	{"a proxy's error page means not applied", clientDir + "judge.go",
		"e.foreign, e.Detail = true, a.quote()", "e.foreign, e.Detail, e.Kind = true, a.quote(), ErrNotApplied", ""},
	{"an attempt ignores the caller's context", clientDir + "attempt.go",
		"watchSilence(ctx, silenceLimit", "watchSilence(context.WithoutCancel(ctx), silenceLimit", ""},
	{"the time to send a write again begins anew with each attempt", clientDir + "retry.go",
		"		if d.of == nil {\n			d.of, d.since = e, began\n		}\n", "		d.of, d.since = e, began\n", ""},
	{"a write is sent with no time left for the answer", clientDir + "retry.go",
		"time.Until(deadline) < wait+grace", "time.Until(deadline) < wait", ""},
	{"an answer whose end is unknown is believed", clientDir + "attempt.go",
		"resp.ContentLength < 0 && len(resp.TransferEncoding) == 0", "false", ""},
	{"net/http may send a write again by itself", clientDir + "attempt.go",
		"		delete(req.Header, idempotencyHeader)\n		req.Header[lowerIdempotencyHeader] = key\n", "		req.Header[idempotencyHeader] = key\n", ""},
	{"a full disk's Retry-After is ignored", clientDir + "retry.go",
		"case http.StatusTooManyRequests, http.StatusInsufficientStorage:\n	default:", "case http.StatusTooManyRequests:\n	default:", ""},
	{"the map is asked for without a pause", clientDir + "direct.go",
		"d.ctx.Err() != nil || time.Since(d.asked) < refreshPause", "d.ctx.Err() != nil", ""},
	{"an older map replaces a newer one", clientDir + "direct.go",
		"old == nil || t.version >= old.version", "old == nil || t.version > 0", ""},
	{"Retry-After counts milliseconds", clientDir + "judge.go",
		"time.Duration(seconds) * time.Second", "time.Duration(seconds) * time.Millisecond", ""},
	{"a closed client's request for the map runs on", clientDir + "client.go",
		"		c.direct.close()\n", "", ""},
}

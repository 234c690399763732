package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// problem is one kind of error of the HTTP interface (RFC 9457). Its code is
// stable: clients decide by it.
type problem struct {
	status int
	code   string
	detail string // in words that help; the answer may say something more exact
	retry  bool   // Retry-After: it was not applied, and may work in a moment
}

// All errors of the interface, in one table.
var (
	malformed        = problem{400, "bad-request", "the request is not valid HTTP/1.1, or its path is not percent-encoded correctly", false}
	emptyKey         = problem{400, "empty-key", "the key is what follows the last slash of the route, and is empty; it needs 1 to 1024 bytes", false}
	keyTooLong       = problem{400, "key-too-long", "a key has at most 1024 bytes, after percent-decoding", false}
	badTimeout       = problem{400, "bad-timeout", "timeout is a duration such as 500ms or 5s", false}
	badConsistency   = problem{400, "bad-consistency", "consistency is linearizable or, on GET and HEAD, stale", false}
	badParameter     = problem{400, "bad-parameter", "the query has a parameter that this route does not know", false}
	badETag          = problem{400, "bad-etag", `a condition is * or a list of ETags in quotes, as in If-Match: "0badcafe-17"`, false}
	badCondition     = problem{400, "unsupported-condition", "a value has no time of change; the conditions of a write are If-Match and If-None-Match, with ETags. Nothing was applied", false}
	badTTL           = problem{400, "bad-ttl", "ttl is a duration from 1ms to 87600h, in whole milliseconds, and only a PUT has one", false}
	partialValue     = problem{400, "partial-value", "a PUT replaces the whole value, and a DELETE removes it; send the whole value, without this field. Nothing was applied", false}
	badIdempotency   = problem{400, "bad-idempotency-key", "an Idempotency-Key has 1 to 255 printable ASCII characters, and a request has one", false}
	inProgress       = problem{409, "in-progress", "another request with this Idempotency-Key is being worked on; this one was not applied, that one may be", true}
	keyReused        = problem{422, "idempotency-key-reused", "this Idempotency-Key belongs to another request: method, key, body, conditions and ttl must be the same; nothing was applied", false}
	badPartition     = problem{400, "bad-partition", "a partition is a number, or a name such as partition-5", false}
	keyNotFound      = problem{404, "key-not-found", "the key has no value", false}
	routeNotFound    = problem{404, "no-such-route", "there is no such route; keys are at /v1/kv/{key}", false}
	noSuchPartition  = problem{404, "no-such-partition", "the cluster has no such partition", false}
	methodNotAllowed = problem{405, "method-not-allowed", "the route does not have this method; the Allow header lists those it has", false}
	bodyTimeout      = problem{408, "request-timeout", "the body did not arrive, or too slowly; nothing was applied", false}
	badBody          = problem{400, "bad-body", "the body ended early or is not valid; nothing was applied", false}
	lengthRequired   = problem{411, "length-required", "a PUT says how long its value is: Content-Length, 0 for an empty value, or Transfer-Encoding: chunked; nothing was applied", false}
	preconditionFail = problem{412, "precondition-failed", "the condition does not hold; nothing was applied", false}
	valueTooLarge    = problem{413, "value-too-large", "the value is larger than this cluster takes; nothing was applied", false}
	contentEncoding  = problem{415, "content-encoding", "Content-Encoding is not kept with the value, so a reader would take the encoded bytes for the value; send it decoded, or leave out the field to store the encoded bytes. Nothing was applied", false}
	badExpectation   = problem{417, "expectation-failed", "the only expectation is 100-continue; nothing was applied", false}
	overloaded       = problem{429, "overloaded", "too much is waiting in memory; nothing was applied", true}
	headerTooLarge   = problem{431, "header-too-large", "the request's header is larger than this node takes", false}
	transferEncoding = problem{501, "transfer-encoding", "the transfer encoding is not supported", false}
	unavailable      = problem{503, "unavailable", "the request could not be served in time; it was not applied, and never will be", true}
	notReady         = problem{503, "not-ready", "this node is not ready", true}
	diskFull         = problem{507, "disk-full", "the disk of a node is nearly full; nothing was applied. Deletes are still taken", true}
	httpVersion      = problem{505, "http-version", "the HTTP version is not supported", false}
	outcomeUnknown   = problem{504, "outcome-unknown", "the write may have been applied, or may yet be; read the key to find out", false}
)

// details is the body of a problem answer.
type details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// json returns the body, with another detail where one is given.
func (p *problem) json(detail string) []byte {
	if detail == "" {
		detail = p.detail
	}
	b, err := json.Marshal(details{"about:blank", http.StatusText(p.status), p.status, p.code, detail})
	if err != nil { // a struct of strings always marshals
		panic(err)
	}
	return append(b, '\n')
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter, detail string) {
	body := p.json(detail)
	h := w.Header()
	h[headerCacheControl] = noStore
	h[headerContentType] = problemType
	h[headerContentLength] = []string{strconv.Itoa(len(body))}
	if p == &contentEncoding {
		h[headerAcceptEncoding] = identity // RFC 9110, section 15.5.16
	}
	if p.retry {
		h[headerRetryAfter] = oneSecond
	}
	w.WriteHeader(p.status)
	w.Write(body) //nolint:errcheck // the client is gone; nobody is left to tell
}

func noSuchRoute(w http.ResponseWriter, _ *http.Request) { routeNotFound.write(w, "") }

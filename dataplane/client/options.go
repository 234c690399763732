package client

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Option changes one operation.
type Option func(*call)

// IfMatch makes a write conditional: the key's value is one of those that the
// ETags name, in the form that answers have them.
func IfMatch(etags ...string) Option {
	return func(c *call) { c.header.Set("If-Match", strings.Join(etags, ", ")) }
}

// IfExists makes a write conditional: the key has a value.
func IfExists() Option { return IfMatch("*") }

// IfAbsent makes a write conditional: the key has no value.
func IfAbsent() Option {
	return func(c *call) { c.header.Set("If-None-Match", "*") }
}

// TTL makes a put's value end after a while: 1 ms to 10 years, in whole
// milliseconds. A put without it has none.
func TTL(d time.Duration) Option {
	return func(c *call) { c.query.Set("ttl", d.String()) }
}

// IdempotencyKey names a write, 1 to 255 printable ASCII characters: the same
// write again, with the same name within 10 minutes, is applied once, and gives
// the first answer. While another caller's write of that name is being worked on,
// the client waits; if that lasts until the deadline, the outcome is unknown.
// Without a name, every write gets a random one, so that this client's own
// retries apply once.
func IdempotencyKey(key string) Option {
	return func(c *call) { c.header.Set(idempotencyHeader, key) }
}

// The name of the header, and the same in the form in which net/http does not
// know it.
const (
	idempotencyHeader      = "Idempotency-Key"
	lowerIdempotencyHeader = "idempotency-key"
)

// Stale lets a read be answered with whatever a replica has.
func Stale() Option {
	return func(c *call) { c.query.Set("consistency", "stale") }
}

// Explain asks for the way of the request; Way.Route then says it.
func Explain() Option {
	return func(c *call) { c.header.Set("Holdfast-Explain", "1") }
}

// keyPath is the route of keys. Only there a server waits, and is told how long.
const keyPath = "/v1/kv/"

// call is one operation, as every attempt at it sends it.
type call struct {
	operation string // for errors
	method    string
	key       string
	path      string // escaped
	body      []byte
	header    http.Header
	query     url.Values
	write     bool
}

// ofKey reports whether the call is about a key's value.
func (c *call) ofKey() bool { return strings.HasPrefix(c.path, keyPath) }

func newCall(operation, method, key string, body []byte, options []Option) *call {
	c := &call{operation: operation, method: method, key: key, path: keyPath + url.PathEscape(key), body: body,
		header: http.Header{}, query: url.Values{}, write: method != http.MethodGet && method != http.MethodHead}
	for _, o := range options {
		o(c)
	}
	if _, named := c.header[idempotencyHeader]; c.write && !named {
		c.header.Set(idempotencyHeader, rand.Text())
	}
	return c
}

package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// MaxKey is the longest key, in bytes.
const MaxKey = 1024

// The routes that end in a key.
const (
	kvPrefix     = "/v1/kv/"
	locatePrefix = "/v1/locate/"
)

// keyOf returns the key in the path of a request that chi has routed by prefix.
// chi routes by the escaped path, so that the prefix stands in it as it is, and
// what follows the prefix in the decoded path is the key, decoded once: %2F is
// a slash, + is itself, and nothing is cleaned.
func keyOf(r *http.Request, prefix string) (string, *problem) {
	path := r.URL.Path
	switch {
	case len(path) <= len(prefix):
		return "", &emptyKey
	case len(path) > len(prefix)+MaxKey:
		return "", &keyTooLong
	}
	return path[len(prefix):], nil
}

// query is what the query of a request on a key says.
type query struct {
	timeout time.Duration
	stale   bool
	ttl     time.Duration // of a PUT; zero: for ever
}

// parseQuery reads the query of a request on a key. What it does not know it
// refuses: a mistyped timeout should not be a silent default. The second result
// says more exactly what is wrong.
func (g *Gateway) parseQuery(r *http.Request, action replica.Action) (query, *problem, string) {
	q := query{timeout: g.limits.Timeout}
	if r.URL.RawQuery == "" {
		return q, nil, ""
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, &badParameter, "the query is not valid: " + err.Error()
	}
	for name, list := range values {
		if len(list) > 1 {
			return q, &badParameter, "the query has " + quote(name) + " more than once"
		}
		switch name {
		case "timeout":
			if q.timeout, err = parseTimeout(list[0], g.limits.LongestTimeout); err != nil {
				return q, &badTimeout, err.Error()
			}
		case "consistency":
			q.stale = list[0] == "stale"
			if !q.stale && list[0] != "linearizable" || q.stale && action != replica.Get {
				return q, &badConsistency, ""
			}
		case "ttl":
			if q.ttl, err = parseTTL(list[0]); err != nil || action != replica.Put {
				return q, &badTTL, ttlDetail(err)
			}
		default:
			return q, &badParameter, "the query has " + quote(name) + ", which is not timeout, consistency or ttl"
		}
	}
	return q, nil, ""
}

// A ttl is whole milliseconds: the partition's logged time has no finer ones.
const (
	shortestTTL = time.Millisecond
	longestTTL  = 10 * 365 * 24 * time.Hour
)

// parseTTL reads a Go duration in its limits.
func parseTTL(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, timeoutError("ttl " + quote(s) + " is not a duration such as 500ms or 24h")
	case d < shortestTTL || d > longestTTL:
		return 0, timeoutError("ttl " + quote(s) + " is not from " + shortestTTL.String() + " to " + longestTTL.String())
	case d%time.Millisecond != 0:
		return 0, timeoutError("ttl " + quote(s) + " is not in whole milliseconds")
	}
	return d, nil
}

func ttlDetail(err error) string {
	if err == nil {
		return "only a PUT has a ttl"
	}
	return err.Error()
}

type timeoutError string

func (e timeoutError) Error() string { return string(e) }

// parseTimeout reads a Go duration, more than zero and at most the longest.
func parseTimeout(s string, longest time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, timeoutError("timeout " + quote(s) + " is not a duration such as 500ms or 5s")
	case d <= 0:
		return 0, timeoutError("timeout " + quote(s) + " is not more than 0")
	case d > longest:
		return 0, timeoutError("timeout " + quote(s) + " is more than " + longest.String() + ", the longest")
	}
	return d, nil
}

// quote shows what a client sent, shortened, and harmless in a terminal.
func quote(s string) string {
	const most = 64
	cut := len(s) > most
	if cut {
		s = s[:most]
	}
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '"' || c == '\ufffd' {
			return '?'
		}
		return c
	}, s)
	if cut {
		s += "..."
	}
	return `"` + s + `"`
}

package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// noETag is a tag that no value ever has: sequences begin at 1.
var noETag entry.ETag

// conditionOf reads If-Match and If-None-Match.
func conditionOf(r *http.Request) (c replica.Condition, ok bool) {
	if lines := r.Header[headerIfMatch]; len(lines) > 0 {
		if c.IfMatch, c.IfMatchAny, ok = parseETags(lines, strong); !ok {
			return c, false
		}
	}
	if lines := r.Header[headerIfNoneMatch]; len(lines) > 0 {
		if c.IfNoneMatch, c.IfNoneMatchStar, ok = parseETags(lines, weak); !ok {
			return c, false
		}
	}
	return c, true
}

// The two comparisons of RFC 9110, section 8.8.3.2.
const (
	strong = false
	weak   = true
)

// parseETags reads the lines of a condition: `*` or a list of entity tags. A
// tag that is well formed but cannot be of this store becomes noETag: it is
// compared, and differs. A weak tag equals its strong one only where weak says so.
func parseETags(lines []string, weak bool) (tags []entry.ETag, star, ok bool) {
	if len(lines) == 1 && strings.Trim(lines[0], " \t") == "*" {
		return nil, true, true
	}
	for _, line := range lines {
		rest := line
		for {
			rest = strings.TrimLeft(rest, " \t,") // empty elements of a list are allowed
			if rest == "" {
				break
			}
			tag, isWeak, after, ok := cutETag(rest)
			if !ok {
				return nil, false, false
			}
			t, err := entry.ParseETag(tag)
			if err != nil || isWeak && !weak {
				t = noETag
			}
			tags = append(tags, t)
			rest = after
		}
	}
	return tags, false, len(tags) > 0
}

// cutETag takes one entity tag off the front, up to the comma after it.
func cutETag(s string) (tag string, weak bool, after string, ok bool) {
	if after, found := strings.CutPrefix(s, "W/"); found {
		weak, s = true, after
	}
	if s == "" || s[0] != '"' {
		return "", false, "", false
	}
	end := 1
	for end < len(s) && s[end] != '"' {
		if c := s[end]; c < 0x21 || c == 0x7f { // etagc of RFC 9110
			return "", false, "", false
		}
		end++
	}
	if end == len(s) {
		return "", false, "", false
	}
	tag, after = s[:end+1], strings.TrimLeft(s[end+1:], " \t")
	if after != "" && after[0] != ',' {
		return "", false, "", false
	}
	return tag, weak, after, true
}

// unconditional reports whether there is no condition.
func unconditional(c *replica.Condition) bool {
	return c.IfMatch == nil && c.IfNoneMatch == nil && !c.IfMatchAny && !c.IfNoneMatchStar
}

// readStatus judges the conditions of a GET against the value that was found:
// 200, 304 or 412. RFC 9110 has If-Match first.
func readStatus(c *replica.Condition, tag entry.ETag) int {
	switch {
	case unconditional(c):
		return http.StatusOK
	case c.IfMatch != nil && !slices.Contains(c.IfMatch, tag):
		return http.StatusPreconditionFailed
	case c.IfNoneMatchStar || slices.Contains(c.IfNoneMatch, tag):
		return http.StatusNotModified
	}
	return http.StatusOK
}

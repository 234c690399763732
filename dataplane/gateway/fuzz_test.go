package gateway

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// FuzzKey: whatever the path, a key is what percent-decoding the rest of it
// once gives, and nothing is cleaned.
func FuzzKey(f *testing.F) {
	for _, path := range []string{"a", "a%2Fb", "..", "%", "%zz", "a//b", "+", "%00", "a?b=c", "a%3Fb", "{t}x", "é"} {
		f.Add(path)
	}
	fake := newFake("n4")
	g, err := New(Options{Backend: fake})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(kvPrefix + path)
		if err != nil {
			return // net/http answers that
		}
		fake.mu.Lock()
		fake.sent = nil
		fake.mu.Unlock()
		r := &http.Request{Method: http.MethodPut, URL: u, Header: http.Header{}, Body: http.NoBody}
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, r)
		escaped, _, _ := strings.Cut(path, "?")
		want, err := url.PathUnescape(escaped)
		if err != nil {
			t.Fatalf("%q was parsed", path)
		}
		fake.mu.Lock()
		defer fake.mu.Unlock()
		if len(fake.sent) == 1 && string(fake.sent[0].Key) != want {
			t.Fatalf("%q: key %q, want %q", path, fake.sent[0].Key, want)
		}
		valid := len(want) >= 1 && len(want) <= MaxKey
		if served := w.Code == 201 || w.Code == 200; served && !valid || valid && !served && u.RawQuery == "" {
			t.Fatalf("%q: status %d", path, w.Code)
		}
	})
}

// FuzzETags: a condition is refused, or is a star, or has tags; and the tags
// of this store in it are exactly those that a plain reading finds.
func FuzzETags(f *testing.F) {
	for _, line := range []string{"*", `"0badcafe-1"`, `W/"0badcafe-1"`, `"a", "b"`, `"0badcafe-1" , "0badcafe-2"`, `,,"x"`, `"a"b`, `"`, `*, "a"`, ""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		tags, star, ok := parseETags([]string{line}, weak)
		if ok && star == (len(tags) > 0) || !ok && (star || len(tags) > 0) {
			t.Fatalf("%q: %v, star %v, ok %v", line, tags, star, ok)
		}
		for _, tag := range tags {
			if tag != noETag && !strings.Contains(line, tag.String()) {
				t.Fatalf("%q: has no %v", line, tag)
			}
		}
		found := readStatus(&replica.Condition{IfNoneMatch: tags, IfNoneMatchStar: star}, entry.ETag{Lineage: 1, Sequence: 1})
		if found != 200 && !star && !strings.Contains(line, `"00000001-1"`) {
			t.Fatalf("%q matched a tag that it does not have", line)
		}
	})
}

// FuzzQuery: a query is refused with words, or gives a timeout within bounds.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{"", "timeout=1s", "timeout=1ms&consistency=stale", "timeout=9999999h", "timeout=1e9s", "a", "ttl=3s", "&&", "timeout=1s;x", "%zz"} {
		f.Add(query)
	}
	g, err := New(Options{Backend: newFake("n4")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, p, detail := g.parseQuery(&http.Request{URL: &url.URL{RawQuery: raw}}, replica.Get)
		if p == nil && (q.timeout <= 0 || q.timeout > time.Minute) {
			t.Fatalf("%q: timeout %v", raw, q.timeout)
		}
		if p != nil && (p.status != 400 || strings.ContainsFunc(detail, func(c rune) bool { return c < ' ' })) {
			t.Fatalf("%q: %+v, %q", raw, p, detail)
		}
	})
}

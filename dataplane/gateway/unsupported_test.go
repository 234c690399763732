package gateway

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAWriteIsNeverCarriedOutAsAnother: a request that names a part of a value,
// an encoding that a reader would not learn of, or a condition that nobody would
// judge, changes nothing.
func TestAWriteIsNeverCarriedOutAsAnother(t *testing.T) {
	t.Parallel()
	const put, remove = http.MethodPut, http.MethodDelete
	for _, test := range []struct {
		method  string
		headers []string
		status  int
		code    string
	}{
		{put, []string{"Content-Range", "bytes 100-199/200"}, 400, "partial-value"},
		{put, []string{"Content-Range", "bytes 0-3/4"}, 400, "partial-value"}, // the whole, but why would it be said?
		{put, []string{"Content-Range", "bytes */200"}, 400, "partial-value"},
		{put, []string{"Content-Range", ""}, 400, "partial-value"},
		{put, []string{"Content-Range", "lines 1-2/*"}, 400, "partial-value"},
		{remove, []string{"Content-Range", "bytes 0-1/4"}, 400, "partial-value"},
		{put, []string{"Range", "bytes=0-9"}, 400, "partial-value"},
		{remove, []string{"Range", "bytes=0-9"}, 400, "partial-value"},
		{put, []string{"Content-Type", "multipart/byteranges; boundary=x"}, 400, "partial-value"},
		{put, []string{"Content-Type", "Multipart/ByteRanges"}, 400, "partial-value"},
		{put, []string{"Upload-Complete", "?0"}, 400, "partial-value"},
		{put, []string{"Content-Encoding", "gzip"}, 415, "content-encoding"},
		{put, []string{"Content-Encoding", "identity, br"}, 415, "content-encoding"},
		{put, []string{"Content-Encoding", "identity", "Content-Encoding", "gzip"}, 415, "content-encoding"},
		{put, []string{"If-Unmodified-Since", "Mon, 30 Nov 2026 00:00:00 GMT"}, 400, "unsupported-condition"},
		{put, []string{"If-Unmodified-Since", "yesterday"}, 400, "unsupported-condition"},
		{remove, []string{"If-Unmodified-Since", "Mon, 30 Nov 2026 00:00:00 GMT"}, 400, "unsupported-condition"},
		{put, []string{"If-Modified-Since", "Mon, 30 Nov 2026 00:00:00 GMT"}, 400, "unsupported-condition"},
		{put, []string{"If-Range", `"0badcafe-1"`}, 400, "unsupported-condition"},
		{put, []string{"If", `(["0badcafe-1"])`}, 400, "unsupported-condition"},
		{put, []string{"If-Match", `W/"0badcafe-1"`}, 412, "precondition-failed"}, // a weak tag is never equal to a strong one
		{remove, []string{"If-Match", `W/"0badcafe-1"`}, 412, "precondition-failed"},
		{put, []string{"If-None-Match", `W/"0badcafe-1"`}, 412, "precondition-failed"},
	} {
		n := serve(t, newFake("n4"), Limits{})
		first := n.do(put, "/v1/kv/k", "the whole value").want(t, 201, "")
		if got := first.Header.Get("ETag"); got != `"0badcafe-1"` {
			t.Fatalf("ETag %s", got)
		}
		answer := n.do(test.method, "/v1/kv/k", "part", test.headers...)
		if answer.StatusCode != test.status || !strings.Contains(string(answer.body), `"code":"`+test.code+`"`) {
			t.Errorf("%s with %q: %d %s, want %d %s", test.method, test.headers, answer.StatusCode, answer.body, test.status, test.code)
		}
		if test.status == 415 && answer.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("415 accepts %q", answer.Header.Get("Accept-Encoding"))
		}
		if got := n.do(http.MethodGet, "/v1/kv/k", ""); string(got.body) != "the whole value" || got.Header.Get("ETag") != `"0badcafe-1"` {
			t.Errorf("after %s with %q the value is %d %q", test.method, test.headers, got.StatusCode, got.body)
		}
	}
}

// TestAWriteThatCanBeHonouredIs: what changes nothing, or stands beside a
// condition that goes before it (RFC 9110, section 13.2.2), is no reason to refuse.
func TestAWriteThatCanBeHonouredIs(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	tag := n.do("PUT", "/v1/kv/k", "0").want(t, 201, "").Header.Get("ETag")
	for i, headers := range [][]string{
		{"Content-Encoding", "identity"},
		{"Content-Type", "multipart/form-data; boundary=x"},
		{"Content-Type", "application/x-www-form-urlencoded"},
		{"Upload-Complete", "?1"},
		{"If-Match", "", "If-Unmodified-Since", "Mon, 30 Nov 2026 00:00:00 GMT"},
		{"If-None-Match", `"0badcafe-999"`, "If-Modified-Since", "Mon, 30 Nov 2026 00:00:00 GMT"},
	} {
		if headers[0] == "If-Match" {
			headers[1] = tag
		}
		value := fmt.Sprintf("--x\r\n%d\r\n--x--", i)
		tag = n.do("PUT", "/v1/kv/k", value, headers...).want(t, 200, "").Header.Get("ETag")
		if got := n.do("GET", "/v1/kv/k", "").want(t, 200, ""); string(got.body) != value {
			t.Errorf("%q: the value is %q", headers, got.body)
		}
	}
}

// TestAPartIsNeverRead: Holdfast has no ranges and no times of change, so a GET
// that asks for them gets the whole value (RFC 9110, sections 13.1.3 and 14.2).
func TestAPartIsNeverRead(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	tag := n.do("PUT", "/v1/kv/k", "the whole value").want(t, 201, "").Header.Get("ETag")
	for _, headers := range [][]string{
		{"Range", "bytes=0-2"}, {"Range", "bytes=99-"}, {"Range", "nonsense"},
		{"Range", "bytes=0-2", "If-Range", tag}, {"Range", "bytes=0-2", "If-Range", `"other"`},
		{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}, {"If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got := n.do(method, "/v1/kv/k", "", headers...).want(t, 200, "")
			if got.Header.Get("Content-Length") != "15" || method == "GET" && string(got.body) != "the whole value" {
				t.Errorf("%s with %q: %v %q", method, headers, got.Header, got.body)
			}
		}
	}
}

// TestOnlyAWholeBodyIsStored: a value is exactly the body, and only if all of
// it arrived.
func TestOnlyAWholeBodyIsStored(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	n.do("PUT", "/v1/kv/k", "old").want(t, 201, "")
	const head = "PUT /v1/kv/k HTTP/1.1\r\nHost: a\r\n"
	for _, test := range []struct {
		bytes string
		code  string
	}{
		{head + "Content-Length: 10\r\n\r\nshort", "bad-body"},
		{head + "Content-Length: 100000\r\n\r\nshort", "bad-body"},
		{head + "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "bad-body"},
		{head + "Transfer-Encoding: chunked\r\n\r\n5\r\nsho", "bad-body"},
		{head + "\r\n", "length-required"},
		{"PUT /v1/kv/k HTTP/1.0\r\n\r\nuntil the connection ends", "length-required"},
	} {
		c := n.dial(t)
		fmt.Fprint(c, test.bytes)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if r, body := answerOn(t, c); !strings.Contains(body, test.code) {
			t.Errorf("%q: %d %s, want %s", test.bytes, r.StatusCode, body, test.code)
		}
		if got := n.do("GET", "/v1/kv/k", "").want(t, 200, ""); string(got.body) != "old" {
			t.Fatalf("after %q the value is %q", test.bytes, got.body)
		}
	}
	// Trailers are no part of the body, and no condition either.
	r, body := n.raw(t, head+"Transfer-Encoding: chunked\r\nTrailer: If-Match\r\n\r\n3\r\nnew\r\n0\r\nIf-Match: \"x\"\r\nContent-Range: bytes 0-2/9\r\n\r\n")
	if got := n.do("GET", "/v1/kv/k", ""); r.StatusCode != 200 || string(got.body) != "new" {
		t.Errorf("with trailers: %d %s, and the value is %q", r.StatusCode, body, got.body)
	}
}

// TestEveryAnswerNamesTheNode: clients believe no answer without Holdfast-Node,
// so that a proxy's page is not taken for this node's word.
func TestEveryAnswerNamesTheNode(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{HeaderBytes: 4 << 10, Value: 1 << 10, Bodies: 1 << 20})
	for _, path := range []string{
		"/v1/kv/a", "/v1/kv/", "/v1/kv/a?x=y", "/v1/partitions", "/v1/partitions/3", "/v1/partitions/x", "/v1/partitions/99",
		"/v1/nodes", "/v1/cluster", "/v1/locate/a", "/v1/locate/", "/livez", "/readyz", "/metrics", "/", "/nothing", "/v1//kv",
	} {
		for _, method := range []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "STRANGE"} {
			if got := n.do(method, path, "").Header.Get("Holdfast-Node"); got != "n4" {
				t.Errorf("%s %s: Holdfast-Node %q", method, path, got)
			}
		}
	}
	for _, raw := range []string{
		"GET /v1/kv/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /v1/kv/a HTTP/1.1\r\n\r\n",
		"\x00\x01\x02\xff\r\n\r\n",
		"GET /v1/kv/a HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 16<<10) + "\r\n\r\n",
		"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
		"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
		"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
		"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\nx",
		"GET /v1/kv/a HTTP/9.9\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		r, body := n.raw(t, raw)
		if got := r.Header.Get("Holdfast-Node"); got != "n4" || r.StatusCode/100 != 2 && !strings.Contains(body, `"code":"`) {
			t.Errorf("%.60q: %d, Holdfast-Node %q, %s", raw, r.StatusCode, got, body)
		}
	}
}

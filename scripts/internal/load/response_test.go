package load

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

func TestParseResponse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, body string
		status     int
		rest       int
		close      bool
	}{
		"length":  {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellomore", "hello", 200, 4, false},
		"empty":   {"HTTP/1.1 201 Created\r\ncontent-length:0\r\n\r\n", "", 201, 0, false},
		"none":    {"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "", 204, 0, false},
		"close":   {"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "x", 503, 0, true},
		"chunked": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", 200, 0, false},
	} {
		for cut := range len(c.text) - c.rest {
			if _, err := parseResponse([]byte(c.text[:cut])); !errors.Is(err, errIncomplete) {
				t.Errorf("%s, the first %d bytes: %v", name, cut, err)
			}
		}
		r, err := parseResponse([]byte(c.text))
		if err != nil || string(r.body) != c.body || r.status != c.status || r.close != c.close || r.length != len(c.text)-c.rest {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseResponse(b)
		if err == nil && (r.length > len(b) || len(r.body) > r.length) {
			t.Fatalf("%d bytes of %d, body %d", r.length, len(b), len(r.body))
		}
	})
}

// What the dialects write must be what Go's own server reads.
func TestDialectsWriteWholeRequests(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"holdfast", "etcd"} {
		d, err := DialectOf(name)
		if err != nil {
			t.Fatal(err)
		}
		wire := d.Put(nil, "localhost:1", []byte("key-1"), bytes.Repeat([]byte("v"), 100))
		wire = d.Get(wire, "localhost:1", []byte("key-1"))
		in := bufio.NewReader(bytes.NewReader(wire))
		for i := range 2 {
			req, err := http.ReadRequest(in)
			if err != nil {
				t.Fatalf("%s request %d: %v", name, i, err)
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Fatalf("%s request %d: %v", name, i, err)
			}
		}
		if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: bytes left over", name)
		}
	}
	if _, err := DialectOf("other"); err == nil {
		t.Error("an unknown dialect is an error")
	}
}

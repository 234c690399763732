package gateway

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// still is a backend that costs nothing: what is left is the HTTP interface.
type still struct {
	*fake
	value []byte
}

func (s *still) Read(op *replica.Operation) (replica.Answer, bool) {
	return replica.Answer{Outcome: replica.Found, Epoch: 1, Lineage: lineage, Result: entry.Result{Sequence: 123456}, Value: s.value}, true
}

func (s *still) Send(_ partition.NodeID, _ replica.Operation, done func(replica.Answer, Sent)) {
	done(replica.Answer{Outcome: replica.Done, Epoch: 1, Lineage: lineage, Result: entry.Result{Sequence: 123456, Existed: true}}, Certain)
}

func (s *still) OpenRequest() (entry.RequestID, uint64) {
	return entry.RequestID{Origin: 1, Boot: 1, Counter: 2}, 1
}
func (s *still) CloseRequest(entry.RequestID) {}

// BenchmarkGateway measures a request over one kept connection, client and
// server in one process, beside a chi handler that does nothing.
func BenchmarkGateway(b *testing.B) {
	value := strings.Repeat("v", 100)
	g, err := New(Options{Backend: &still{newFake("n2"), []byte(value)}})
	if err != nil {
		b.Fatal(err)
	}
	bare := chi.NewRouter()
	bare.Get("/v1/kv/*", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, value) }) //nolint:errcheck // the client tells
	bare.Put("/v1/kv/*", func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	bareServer := &http.Server{Handler: bare}
	get := "GET /v1/kv/user:12345 HTTP/1.1\r\nHost: a\r\n\r\n"
	put := "PUT /v1/kv/user:12345 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + value
	b.Run("GET/bare", func(b *testing.B) { benchmarkServer(b, bareServer.Serve, get) })
	b.Run("GET/gateway", func(b *testing.B) { benchmarkServer(b, g.Serve, get) })
	b.Run("PUT/bare", func(b *testing.B) { benchmarkServer(b, bareServer.Serve, put) })
	b.Run("PUT/gateway", func(b *testing.B) { benchmarkServer(b, g.Serve, put) })
}

func benchmarkServer(b *testing.B, serve func(net.Listener) error, request string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the benchmark is over
	go serve(l)     //nolint:errcheck // ends with the listener
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()  //nolint:errcheck // the benchmark is over
	const depth = 64 // pipelined, so that the server's work is what is measured
	batch, in := []byte(strings.Repeat(request, depth)), bufio.NewReaderSize(c, 64<<10)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += depth {
		if _, err := c.Write(batch); err != nil {
			b.Fatal(err)
		}
		for range depth {
			skipAnswer(b, in)
		}
	}
}

// skipAnswer reads one answer, without making anything of it.
func skipAnswer(b *testing.B, in *bufio.Reader) {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if first && line[9] != '2' {
			b.Fatalf("%s", line)
		}
		if len(line) == 2 {
			break
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			for _, digit := range bytes.TrimRight(rest, "\r\n") {
				length = 10*length + int(digit-'0')
			}
		}
	}
	if _, err := in.Discard(length); err != nil {
		b.Fatal(err)
	}
}

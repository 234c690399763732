package processtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// ask sends one request, and is not surprised by anything.
func ask(t *testing.T, method, url, body string, headers ...string) (status int, header http.Header, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, err.Error()
	}
	return response.StatusCode, response.Header, string(b)
}

// What a client named with an Idempotency-Key, and when a value ends, is known
// to whoever leads after the primary was killed, and after all were.
func TestNamesAndEndsSurviveKills(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Partitions: 8})
	whole(t, c)
	const keys = 16
	url := func(n, i int, query string) string {
		return fmt.Sprintf("http://%s/v1/kv/key-%d%s", c.Nodes[n].HTTP, i, query)
	}
	tags := make([]string, keys)
	put := func(n, i int, value string) (int, string, string) {
		status, header, text := ask(t, http.MethodPut, url(n, i, "?ttl=6s"), value, "Idempotency-Key", "create")
		return status, header.Get("ETag"), text
	}
	for i := range keys {
		status, tag, text := put(i%3, i, "v")
		if status != http.StatusCreated {
			t.Fatalf("put key-%d: %d %s", i, status, text)
		}
		tags[i] = tag
	}
	began := time.Now()
	repeated := func(when string, nodes ...int) {
		t.Helper()
		for i := range keys {
			for _, n := range nodes {
				if status, tag, text := put(n, i, "v"); status != http.StatusCreated || tag != tags[i] {
					t.Errorf("%s, key-%d again at n%d: %d %s %s, first it was 201 %s", when, i, n+1, status, tag, text, tags[i])
				}
				if status, _, text := put(n, i, "other"); status != http.StatusUnprocessableEntity {
					t.Errorf("%s, key-%d with another value at n%d: %d %s", when, i, n+1, status, text)
				}
			}
		}
	}
	must(t, c.Nodes[0].Kill())
	repeated("after one kill", 1, 2)
	must(t, c.Start())
	whole(t, c)
	for _, n := range c.Nodes {
		must(t, n.Kill())
	}
	must(t, c.Start())
	whole(t, c)
	repeated("after all were killed", 0, 1, 2)
	for i := range keys {
		for n := range c.Nodes {
			// What the kills took from the partition's time comes on top.
			eventually(t, time.Minute, "the value ends", func() error {
				if status, _, text := ask(t, http.MethodGet, url(n, i, ""), ""); status != http.StatusNotFound {
					return fmt.Errorf("key-%d at n%d: %d %s", i, n+1, status, text)
				}
				return nil
			})
		}
		if i == 0 {
			t.Logf("the first value was gone after %v", time.Since(began).Round(time.Millisecond))
		}
	}
}

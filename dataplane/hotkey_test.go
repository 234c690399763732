package dataplane

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A key is written all the time, faster than a write commits, for the nodes are
// far apart. A condition that fails on it is told so at once, and not when the
// client's deadline has passed.
func TestAConditionFailsWhileItsKeyIsWritten(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 1)
	if s, b := c.do("n1", http.MethodPut, "hot", []byte("v")); s/100 != 2 {
		t.Fatal(s, b)
	}
	names := []string{"n1", "n2", "n3"}
	for _, from := range names {
		for _, to := range names {
			if from != to {
				c.network.Delay(from, to, 2*time.Millisecond)
			}
		}
	}
	primary := c.trio.current.Partitions[0].Primary
	url := "http://" + c.nodes[primary].HTTPAddr() + "/v1/kv/hot"
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	put := func(query string, header http.Header) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+query, bytes.NewReader([]byte("v")))
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header = header
		response, err := client.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}

	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	written := make(chan struct{}, 1<<14)
	writers.Go(func() {
		// However long a write takes, the next one comes.
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			writers.Go(func() {
				if s := put("", http.Header{}); s/100 != 2 {
					t.Errorf("a write is answered with %d", s)
				}
				written <- struct{}{}
			})
		}
	})
	for range 100 {
		<-written
	}
	for range 4 {
		if s := put("?timeout=2s", http.Header{"If-None-Match": {"*"}}); s != http.StatusPreconditionFailed {
			t.Errorf("status %d, want 412: the key is there all the time", s)
		}
	}
	stop()
	writers.Wait()
}

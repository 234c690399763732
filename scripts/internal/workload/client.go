// Package workload has clients that write and read a few keys of a cluster of real
// processes, and record what they see (package history). The chaos run and the
// power-loss run use it.
package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// requestTimeout is what a node is told; a client waits a little longer.
const requestTimeout = 10 * time.Second

// Workload is what the clients share.
type Workload struct {
	Nodes   []*cluster.Member
	Start   time.Time
	History *history.Recorder
	Prefix  string                 // of keys
	Keys    int                    // at a time
	Size    int                    // bytes of a value; 0: a few
	Change  time.Duration          // how long a set of keys is used
	Pause   time.Duration          // between a client's operations, on average
	Hears   func(node string) bool // whether a node's links are whole
	values  atomic.Int64
}

// keysAt returns the keys that are used at a moment of the run. They change, so
// that histories stay short and old keys get to be read again at the end.
func (w *Workload) keysAt(at time.Duration) []string {
	generation := int(at / w.Change)
	out := make([]string, w.Keys)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d-%d", w.Prefix, generation, i)
	}
	return out
}

// Client is one of those that send requests, one after another.
type Client struct {
	*Workload
	number int
	http   *http.Client
	random *rand.Rand
	seen   map[string]sighting // what the client read last of each key
}

type sighting struct{ value, etag string }

// NewClient is a client of that number; with the seed it makes the same choices.
func NewClient(w *Workload, number int, seed uint64) *Client {
	return &Client{Workload: w, number: number, random: rand.New(rand.NewPCG(seed, uint64(number))), seen: map[string]sighting{},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 5 * time.Second}}}
}

// Run sends requests until ctx ends.
func (c *Client) Run(ctx context.Context) {
	defer c.http.CloseIdleConnections()
	for ctx.Err() == nil {
		keys := c.keysAt(time.Since(c.Start))
		c.History.Add(c.Do(c.choose(keys[c.random.IntN(len(keys))])))
		timer := time.NewTimer(time.Duration(c.random.Int64N(int64(2*c.Pause) + 1)))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// choose makes up the next operation on a key.
func (c *Client) choose(key string) history.Operation {
	o := history.Operation{Client: c.number, Key: key}
	saw, have := c.seen[key]
	switch p := c.random.IntN(100); {
	case p < 35:
		o.Kind = history.Get
	case p < 70:
		o.Kind = history.Put
	case p < 78:
		o.Kind = history.Delete
	case p < 88 || !have:
		o.Kind = history.Create
	default:
		o.Kind, o.Expected = history.Swap, saw.value
	}
	if o.Kind == history.Put || o.Kind == history.Create || o.Kind == history.Swap {
		o.Value = fmt.Sprintf("v%d", c.values.Add(1))
	}
	return o
}

// Do carries the operation out, once, at a random node, and tells how it ended.
func (c *Client) Do(o history.Operation) history.Operation {
	node := c.choice()
	o.Node = node.Name
	etag := c.seen[o.Key].etag
	o.Call = time.Since(c.Start)
	c.send(&o, node.HTTP, etag)
	o.Return = time.Since(c.Start)
	switch {
	case o.Outcome != history.Applied:
	case o.Kind == history.Get && o.Found:
		c.seen[o.Key] = sighting{o.Read, o.ETag}
	case o.Kind == history.Get || o.Kind == history.Delete:
		delete(c.seen, o.Key)
	default:
		c.seen[o.Key] = sighting{o.Value, o.ETag}
	}
	return o
}

// choice is where the next request goes. Every second client passes over nodes
// that are down, paused or cut off, as users do who notice; otherwise all clients
// would soon hang at one of these, and none would see how the others do.
func (c *Client) choice() *cluster.Member {
	first := c.random.IntN(len(c.Nodes))
	if c.number%2 == 0 {
		for i := range c.Nodes {
			if m := c.Nodes[(first+i)%len(c.Nodes)]; m.Running() && !m.Paused() && (c.Hears == nil || c.Hears(m.Name)) {
				return m
			}
		}
	}
	return c.Nodes[first]
}

func (c *Client) send(o *history.Operation, address, etag string) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout+2*time.Second)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	method, body := http.MethodPut, io.Reader(strings.NewReader(padded(o.Value, c.Size)))
	switch o.Kind {
	case history.Get:
		method, body = http.MethodGet, nil
	case history.Delete:
		method, body = http.MethodDelete, nil
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+"/v1/kv/"+o.Key+"?timeout="+requestTimeout.String(), body)
	if err != nil {
		o.Outcome, o.Detail = history.NotApplied, err.Error()
		return
	}
	switch o.Kind {
	case history.Create:
		req.Header.Set("If-None-Match", "*")
	case history.Swap:
		req.Header.Set("If-Match", etag)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		o.Outcome, o.Detail = history.Unknown, err.Error()
		if !sent.Load() || o.Kind == history.Get {
			o.Outcome = history.NotApplied
		}
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	o.ETag = resp.Header.Get("ETag")
	judge(o, resp, string(text), err)
}

// judge reads the answer as the documents define it, and no better. A write whose
// answer is not in the documents may have been applied.
func judge(o *history.Operation, resp *http.Response, text string, readErr error) {
	o.Outcome = history.Applied
	switch status := resp.StatusCode; {
	case resp.Header.Get("Holdfast-Node") == "":
		noAnswer(o, resp.Status+" without Holdfast-Node: "+text)
	case o.Kind == history.Get && status == http.StatusOK && readErr == nil:
		o.Found, o.Read = true, unpadded(text)
	case o.Kind == history.Get && status == http.StatusNotFound && Code(text) == "key-not-found":
	case o.Kind == history.Delete && status == http.StatusNoContent:
		o.Found = resp.Header.Get("Holdfast-Existed") == "true"
	case o.IsWrite() && o.Kind != history.Delete && (status == http.StatusOK || status == http.StatusCreated):
		o.Found = status == http.StatusOK
	case (o.Kind == history.Create || o.Kind == history.Swap) && status == http.StatusPreconditionFailed:
		o.Outcome = history.ConditionFailed
	case readErr == nil && Code(text) != "" && neverApplied(status):
		o.Outcome, o.Detail = history.NotApplied, fmt.Sprintf("%d %s", status, text)
	default:
		noAnswer(o, fmt.Sprintf("%d %s", status, text))
	}
}

// noAnswer ends an operation without an answer that counts.
func noAnswer(o *history.Operation, detail string) {
	o.Outcome, o.Detail = history.NotApplied, detail
	if o.IsWrite() {
		o.Outcome = history.Unknown
	}
}

// neverApplied reports whether the documents say of an error that the write was not
// applied, and never will be.
func neverApplied(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests,
		http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return true
	}
	return false
}

func Code(text string) string {
	var p struct{ Code string }
	if json.Unmarshal([]byte(text), &p) != nil {
		return ""
	}
	return p.Code
}

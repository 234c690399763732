package client

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// Routing says who finds the node that can serve a request.
type Routing uint8

const (
	// ServerSide sends a request to any server; a node that cannot serve it
	// forwards it to one that can.
	ServerSide Routing = iota
	// Direct keeps a copy of the partition map, and sends a request to a node that
	// can serve it at once: a write to the primary, a read to any replica in turn.
	// Where the copy is wrong the request is forwarded as with ServerSide, and the
	// map is asked for anew. Servers are where it is asked for, and asked besides.
	Direct
)

const (
	// refreshEvery is how old the copy of the map may become where nothing shows
	// that it is wrong: nodes that joined are used then.
	refreshEvery = 30 * time.Second
	// refreshPause is the least time between two requests for the map.
	refreshPause = 100 * time.Millisecond
	refreshLimit = 5 * time.Second
	// firstMapWait is the longest that an operation waits for the first copy of the
	// map. It can do without: the servers that are named route it.
	firstMapWait = time.Second
)

// direct knows where partitions are, as far as it was told.
type direct struct {
	c      *Client
	scheme string
	table  atomic.Pointer[table] // nil before the first
	turn   atomic.Uint32

	mu      sync.Mutex
	asking  chan struct{} // closed when the request under way has ended; nil: none is
	asked   time.Time     // when the last began
	running sync.WaitGroup
	ctx     context.Context
	end     context.CancelFunc
}

// table is an immutable copy of what the client needs of the map.
type table struct {
	version   uint64
	at        time.Time
	primaries []string   // base URL by partition; "" where it is not known
	replicas  [][]string // the primary among them
}

func newDirect(c *Client, scheme string) *direct {
	d := &direct{c: c, scheme: scheme}
	d.ctx, d.end = context.WithCancel(context.Background())
	return d
}

// close ends a request for the map, and waits for it.
func (d *direct) close() {
	d.end()
	d.running.Wait()
}

// server is who should be asked for a key first; "" where that is not known. The
// first request waits for the map, later ones do not.
func (d *direct) server(ctx context.Context, key string, write bool) string {
	t := d.table.Load()
	if t == nil {
		d.firstMap(ctx)
		if t = d.table.Load(); t == nil {
			return ""
		}
	}
	if time.Since(t.at) > refreshEvery {
		d.refresh()
	}
	if len(t.primaries) == 0 {
		d.refresh()
		return ""
	}
	id := partition.Of([]byte(key), len(t.primaries))
	if write || len(t.replicas[id]) == 0 {
		return t.primaries[id]
	}
	return t.replicas[id][int(d.turn.Add(1))%len(t.replicas[id])]
}

// firstMap waits for the first copy of the map, for a part of the time that the
// operation has.
func (d *direct) firstMap(ctx context.Context) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, min(firstMapWait, time.Until(deadline)/4))
	defer cancel()
	select {
	case <-d.refresh():
	case <-ctx.Done():
	}
}

// learn asks for the map anew where what became of a request to the target shows
// that the copy is wrong: the node is another for the key, or cannot be reached.
func (d *direct) learn(a *answer, e *Error, write bool) {
	switch {
	case a != nil && (a.way.Role == "none" || write && a.way.Role == "replica"):
	case a == nil && e != nil && (e.Status == 0 || e.foreign || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout):
	default:
		return
	}
	d.refresh()
}

// refresh asks for the map, one request at a time and not too often; the channel
// is closed when that has ended.
func (d *direct) refresh() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asking != nil {
		return d.asking
	}
	done := make(chan struct{})
	if d.ctx.Err() != nil || time.Since(d.asked) < refreshPause {
		close(done)
		return done
	}
	d.asking, d.asked = done, time.Now()
	d.running.Go(func() {
		ctx, cancel := context.WithTimeout(d.ctx, refreshLimit)
		defer cancel()
		if t, err := d.fetch(ctx); err == nil {
			if old := d.table.Load(); old == nil || t.version >= old.version {
				d.table.Store(t)
			}
		}
		d.mu.Lock()
		d.asking = nil
		d.mu.Unlock()
		close(done)
	})
	return done
}

// fetch asks the servers, and makes a table of the answers.
func (d *direct) fetch(ctx context.Context) (*table, error) {
	partitions, err := d.c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := d.c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	return tableOf(d.scheme, partitions, nodes), nil
}

func tableOf(scheme string, partitions *mapjson.Partitions, nodes *mapjson.Nodes) *table {
	urls := make(map[partition.NodeID]string, len(nodes.Nodes))
	for _, n := range nodes.Nodes {
		if n.HTTPAddr != "" {
			urls[n.ID] = scheme + "://" + n.HTTPAddr
		}
	}
	t := &table{
		version: partitions.Version, at: time.Now(),
		primaries: make([]string, len(partitions.Partitions)), replicas: make([][]string, len(partitions.Partitions)),
	}
	for i, p := range partitions.Partitions {
		t.primaries[i] = urls[p.Primary]
		for _, r := range p.Replicas {
			if url := urls[r]; url != "" {
				t.replicas[i] = append(t.replicas[i], url)
			}
		}
	}
	return t
}

// route lists the servers in the order in which a call should ask them, and who
// is first because the map says so ("": nobody).
func (c *Client) route(ctx context.Context, k *call) (servers []string, target string) {
	first := 0
	if c.spread {
		first = int(c.turn.Add(1) % uint32(len(c.servers)))
	}
	servers = slices.Concat(c.servers[first:], c.servers[:first])
	if c.direct == nil || !k.ofKey() {
		return servers, ""
	}
	if target = c.direct.server(ctx, k.key, k.write); target == "" {
		return servers, ""
	}
	servers = slices.DeleteFunc(servers, func(s string) bool { return s == target })
	return append([]string{target}, servers...), target
}

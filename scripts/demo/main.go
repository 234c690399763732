// Command demo is the part of the demonstration (scripts/demo.sh) that talks to
// the cluster: it writes and reads through random nodes, and finds nodes of
// each kind for a key.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("want wait, write, read, load, spread, mark, settle, routes or whole")
	}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	servers := flags.String("servers", "", "the nodes, separated by commas")
	keys := flags.Int("keys", 1000, "how many keys")
	holders := flags.Int("holders", 0, "settle: how many nodes are to hold partitions")
	from := flags.String("mark", "", "settle: what mark printed; default how things are at its start")
	key := flags.String("key", "", "routes: of this key")
	timeout := flags.Duration("timeout", 40*time.Second, "for all of it")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	nodes := strings.Split(*servers, ",")
	switch args[0] {
	case "wait":
		return wait(ctx, func() error { return ready(ctx, nodes) })
	case "whole":
		return wait(ctx, func() error { return whole(ctx, nodes) })
	case "write", "read":
		return exercise(ctx, nodes, *keys, args[0] == "write")
	case "load":
		return steady(ctx, nodes)
	case "spread":
		return spread(ctx, nodes)
	case "settle":
		return settle(ctx, nodes, *holders, *from)
	case "mark":
		return printMark(ctx, nodes)
	case "routes":
		return routes(ctx, nodes, *key)
	}
	return fmt.Errorf("%q: want wait, write, read, load, spread, mark, settle, routes or whole", args[0])
}

func name(i int) string    { return fmt.Sprintf("user:%04d", i) }
func content(i int) []byte { return fmt.Appendf(nil, "the value of user %d", i) }

// exercise writes or reads every key, each through a random node.
func exercise(ctx context.Context, nodes []string, keys int, write bool) error {
	clients := make([]*client.Client, len(nodes))
	for i, n := range nodes {
		c, err := client.New(client.Config{Servers: []string{n}})
		if err != nil {
			return err
		}
		defer c.Close()
		clients[i] = c
	}
	var mu sync.Mutex
	roles := map[string]int{}
	var faults []error
	var next atomic.Int64
	var working sync.WaitGroup
	start := time.Now()
	for range 32 {
		working.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= keys {
					return
				}
				way, err := one(ctx, clients[rand.IntN(len(clients))], i, write)
				mu.Lock()
				roles[way.Role]++
				if err != nil {
					faults = append(faults, err)
				}
				mu.Unlock()
			}
		})
	}
	working.Wait()
	took := time.Since(start)
	if len(faults) > 0 {
		return fmt.Errorf("%d of %d failed, the first: %w", len(faults), keys, faults[0])
	}
	verb := "read, every value as it was written"
	if write {
		verb = "written"
	}
	fmt.Printf("%d keys %s, in %.1f s.\n", keys, verb, took.Seconds())
	fmt.Printf("Of these requests %d happened to meet the key's primary, %d another of its replicas, and %d a node without a copy.\n",
		roles["primary"], roles["replica"], roles["none"])
	return nil
}

func one(ctx context.Context, c *client.Client, i int, write bool) (client.Way, error) {
	if write {
		w, err := c.Put(ctx, name(i), content(i))
		if err != nil {
			return client.Way{}, err
		}
		return w.Way, nil
	}
	v, err := c.Get(ctx, name(i))
	if err != nil {
		return client.Way{}, err
	}
	if !bytes.Equal(v.Data, content(i)) {
		return v.Way, fmt.Errorf("%s has the value %q", name(i), v.Data)
	}
	return v.Way, nil
}

// spread shows how primaries and replicas are spread, and fails if they are not
// even to within one.
func spread(ctx context.Context, nodes []string) error {
	var m mapjson.Partitions
	if err := ask(ctx, nodes, "/v1/partitions", &m); err != nil {
		return err
	}
	primaries, replicas := map[partition.NodeID]int{}, map[partition.NodeID]int{}
	for _, p := range m.Partitions {
		primaries[p.Primary]++
		for _, r := range p.Replicas {
			replicas[r]++
		}
	}
	names := slices.SortedFunc(maps.Keys(replicas), func(a, b partition.NodeID) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(string(a), string(b))
	})
	for _, n := range names {
		fmt.Printf("  %-4s %s%s  primary of %d, replica of %d\n", n,
			strings.Repeat("█", primaries[n]/2), strings.Repeat("░", (replicas[n]-primaries[n])/2), primaries[n], replicas[n]-primaries[n])
	}
	for what, counts := range map[string]map[partition.NodeID]int{"primaries": primaries, "replicas": replicas} {
		all := slices.Collect(maps.Values(counts))
		if slices.Max(all)-slices.Min(all) > 1 {
			return fmt.Errorf("%s are not even to within one: %v", what, counts)
		}
	}
	fmt.Printf("%d partitions, even to within one between any two nodes.\n", len(m.Partitions))
	return nil
}

// routes prints a node of each kind for the key: "primary n3 ADDRESS".
func routes(ctx context.Context, nodes []string, key string) error {
	var l mapjson.Location
	var all mapjson.Nodes
	if err := errors.Join(ask(ctx, nodes, "/v1/locate/"+key, &l), ask(ctx, nodes, "/v1/nodes", &all)); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, n := range all.Nodes {
		kind := "none"
		switch {
		case n.ID == l.Primary:
			kind = "primary"
		case slices.Contains(l.Replicas, n.ID):
			kind = "replica"
		}
		if !seen[kind] {
			seen[kind] = true
			fmt.Println(kind, n.ID, n.HTTPAddr)
		}
	}
	return nil
}

func ready(ctx context.Context, nodes []string) error {
	for _, n := range nodes {
		if err := ask(ctx, []string{n}, "/readyz", nil); err != nil {
			return err
		}
	}
	return nil
}

// whole checks that every partition has all its replicas in sync, by the map of
// every node: each has the newest by then.
func whole(ctx context.Context, nodes []string) error {
	var c mapjson.Cluster
	if err := errors.Join(ready(ctx, nodes), ask(ctx, nodes, "/v1/cluster", &c)); err != nil {
		return err
	}
	for _, n := range nodes {
		var m mapjson.Partitions
		if err := ask(ctx, []string{n}, "/v1/partitions", &m); err != nil {
			return err
		}
		for _, p := range m.Partitions {
			if p.Primary == "" || len(p.Replicas) < c.Settings.ReplicationFactor {
				return fmt.Errorf("%v has %d replicas in sync, says %s", p.ID, len(p.Replicas), n)
			}
		}
	}
	return nil
}

func wait(ctx context.Context, holds func() error) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

// ask gets a path from the first node that answers, and reads its JSON.
func ask(ctx context.Context, nodes []string, path string, into any) error {
	var errs []error
	for _, n := range nodes {
		body, err := get(ctx, n, path)
		if err == nil && into != nil {
			err = json.Unmarshal(body, into)
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// get returns what one server has at a path.
func get(ctx context.Context, server, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := asking.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s%s: %d %s", server, path, resp.StatusCode, bytes.TrimSpace(body))
	}
	return body, nil
}

var asking = &http.Client{Timeout: 3 * time.Second}

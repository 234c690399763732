package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

// figures are what was measured. Sizes are bytes.
type figures struct {
	Lines      []line
	Recoveries []recovery
	Files      []int64 // of each node's data directory, at the end
	Log        []int64 // of them, the shared log
}

// line is one interval of load.
type line struct {
	Phase         string
	At            time.Duration
	Rate          float64 // requests a second that succeeded
	P50, P99, Max time.Duration
	Errors        map[string]uint64 `json:",omitempty"`
	Memory        []int64           // VmRSS of each node at the end of the interval
}

// recovery is one node's way back after kill -9 under load.
type recovery struct {
	Node          string
	Ready, InSync time.Duration // since the start of its process
}

type measurement struct {
	plan
	cluster *cluster.Cluster
	dialect load.Dialect
	began   time.Time
	figures figures
}

func (m *measurement) run(ctx context.Context) error {
	m.began = time.Now()
	fmt.Printf("%d keys, values of %d bytes, %d connections, %d nodes\n", m.keys, m.valueSize, m.connections, len(m.cluster.Nodes))
	fmt.Println("phase      at     requests/s      p50       p99       max   VmRSS of each node, MiB")
	// A tenth of the keys at a time, so that the filling shows its course too.
	for i := range 10 {
		c := m.load()
		c.Reads, c.InOrder, c.Keys, c.FirstKey = 0, true, max(m.keys/10, 1), m.keys/10*i
		c.Count = uint64(c.Keys)
		if err := m.interval(ctx, "fill", c); err != nil {
			return err
		}
	}
	for end := time.Now().Add(m.duration); time.Now().Before(end); {
		if err := m.interval(ctx, "write", m.load()); err != nil {
			return err
		}
	}
	for i := range m.kills {
		if err := m.kill(ctx, m.cluster.Nodes[i%len(m.cluster.Nodes)]); err != nil {
			return err
		}
	}
	return m.sizes()
}

func (m *measurement) load() load.Config {
	return load.Config{
		Targets: m.cluster.HTTPAddresses(), Dialect: m.dialect, Connections: m.connections, Reads: m.reads,
		Keys: m.keys, KeyPrefix: "key-",
		Duration: m.plan.interval, ValueSize: m.valueSize, Seed: uint64(time.Now().UnixNano()), Timeout: time.Minute,
	}
}

func (m *measurement) interval(ctx context.Context, phase string, c load.Config) error {
	r, err := load.Run(ctx, c)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	all := r.Puts
	all.Add(&r.Gets)
	l := line{
		Phase: phase, At: time.Since(m.began), Rate: r.Rate(), Errors: r.Errors,
		P50: all.Quantile(0.5), P99: all.Quantile(0.99), Max: all.Max(),
	}
	text := ""
	for _, n := range m.cluster.Nodes {
		rss, err := n.Memory()
		if err != nil {
			rss = 0 // it is being killed
		}
		l.Memory = append(l.Memory, rss)
		text += fmt.Sprintf("%6d", rss>>20)
	}
	for cause, n := range r.Errors {
		text += fmt.Sprintf("   %s: %d", cause, n)
	}
	m.figures.Lines = append(m.figures.Lines, l)
	fmt.Printf("%-6s %6.0fs %10.0f %9.2fms %8.2fms %8.1fms  %s\n", l.Phase, l.At.Seconds(), l.Rate, ms(l.P50), ms(l.P99), ms(l.Max), text)
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// kill ends a node under load, starts it again, and waits until it is in sync in
// every partition. Clients of the others go on; those of the node see errors.
func (m *measurement) kill(ctx context.Context, n *cluster.Member) error {
	others := m.load()
	others.Targets = nil
	for _, o := range m.cluster.Nodes {
		if o != n {
			others.Targets = append(others.Targets, o.HTTP)
		}
	}
	var nodes mapjson.Nodes
	if err := n.Ask(ctx, "/v1/nodes", &nodes); err != nil {
		return err
	}
	before := incarnation(nodes, n.Name)
	group, ctx := errgroup.WithContext(ctx)
	loading, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() error {
		for loading.Err() == nil {
			if err := m.interval(ctx, "kill", others); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		defer stop()
		if err := pause(ctx, m.plan.interval/2); err != nil {
			return err
		}
		if err := n.Kill(); err != nil {
			return err
		}
		if err := pause(ctx, m.down); err != nil {
			return err
		}
		start := time.Now()
		if err := n.Start(); err != nil {
			return err
		}
		r := recovery{Node: n.Name}
		// The map must know the new boot: before, it may count the old one in.
		err := m.cluster.Wait(ctx, n.Name+" to be registered", func(ctx context.Context) error {
			var nodes mapjson.Nodes
			if err := m.other(n).Ask(ctx, "/v1/nodes", &nodes); err != nil {
				return err
			}
			if incarnation(nodes, n.Name) <= before {
				return fmt.Errorf("the map has the old boot of %s", n.Name)
			}
			return n.Ask(ctx, "/readyz", nil)
		})
		if err != nil {
			return err
		}
		r.Ready = time.Since(start)
		if r.InSync, err = m.inSync(ctx, start); err != nil {
			return err
		}
		m.figures.Recoveries = append(m.figures.Recoveries, r)
		fmt.Printf("%s killed and started again: ready after %.2fs, in sync everywhere after %.2fs\n", n.Name, r.Ready.Seconds(), r.InSync.Seconds())
		return nil
	})
	return group.Wait()
}

// settled is how long everything must be in sync for it to count: the removal of
// a replica that died may come after its return.
const settled = 3 * time.Second

// inSync waits until every replica is in sync, and stays it, and returns since
// when, counted from start.
func (m *measurement) inSync(ctx context.Context, start time.Time) (time.Duration, error) {
	for {
		if err := m.cluster.WaitWhole(ctx); err != nil {
			return 0, err
		}
		since := time.Now()
		for time.Since(since) < settled {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return 0, err
			}
			p, err := m.cluster.Partitions(ctx)
			if err != nil {
				return 0, err
			}
			if slices.ContainsFunc(p.Partitions, func(p mapjson.Partition) bool { return p.Primary == "" || len(p.Replicas) < len(m.cluster.Nodes) }) {
				since = time.Time{}
				break
			}
		}
		if !since.IsZero() {
			return since.Sub(start), nil
		}
	}
}

func (m *measurement) other(n *cluster.Member) *cluster.Member {
	if m.cluster.Nodes[0] != n {
		return m.cluster.Nodes[0]
	}
	return m.cluster.Nodes[1]
}

func incarnation(nodes mapjson.Nodes, name string) uint64 {
	for _, n := range nodes.Nodes {
		if string(n.ID) == name {
			return n.Incarnation
		}
	}
	return 0
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// sizes adds up what is on disk.
func (m *measurement) sizes() error {
	for _, n := range m.cluster.Nodes {
		var all, log int64
		err := filepath.WalkDir(n.Data, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := os.Stat(path)
			if err != nil {
				return nil //nolint:nilerr // a segment that was cut away meanwhile
			}
			all += info.Size()
			if strings.HasPrefix(path, filepath.Join(n.Data, "log")) {
				log += info.Size()
			}
			return nil
		})
		if err != nil {
			return err
		}
		m.figures.Files, m.figures.Log = append(m.figures.Files, all), append(m.figures.Log, log)
		fmt.Printf("%s has %d MiB on disk, %d MiB of it the log\n", n.Name, all>>20, log>>20)
	}
	return nil
}

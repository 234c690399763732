package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
	"github.com/holdfast-io/holdfast/scripts/internal/powerfs"
	"github.com/holdfast-io/holdfast/scripts/internal/workload"
)

// errHarness says that the run itself broke, which says nothing of the cluster.
var errHarness = errors.New("the run itself broke")

// power is a cluster on a file system that can lose power, and what uses it.
type power struct {
	config
	random  *rand.Rand
	files   *powerfs.FS
	cluster *cluster.Cluster
	history *history.Recorder
	loads   []*workload.Workload
	clients int    // that there have been
	backup  string // of the coordinators' directories; none yet
	checked int    // operations of the history that were
	stores  map[partition.NodeID]partition.StoreID
	results results
}

// run is one run: mount, start, and losses until one shows something.
func (c config) run(ctx context.Context, s *sabotage) (code int, r *results, err error) {
	mount, backing := filepath.Join(c.dir, "mount"), filepath.Join(c.dir, "backing")
	if err := errors.Join(os.MkdirAll(mount, 0o755), os.MkdirAll(backing, 0o755)); err != nil {
		return 2, nil, err
	}
	files, err := powerfs.Mount(mount, backing)
	if err != nil {
		return 2, nil, err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	running, err := cluster.New(cluster.Options{
		Binary: c.binary, Dir: c.dir, Data: mount, Nodes: c.nodes, Partitions: c.partitions,
		// Little fits, so that files are written and the log is cut all the time.
		NodeFlags:        []string{"--hash-check", "500ms", "--memory-table", "1MiB", "--log-retention", "4MiB", "--leave-timeout", "1s"},
		CoordinatorFlags: []string{"--replace-after", "3s"},
	})
	if err != nil {
		return 2, nil, err
	}
	defer running.Close()
	defer files.Restore()
	p := &power{config: c, random: rand.New(rand.NewPCG(c.seed, 0)), files: files, cluster: running}
	p.results.seed = c.seed
	for _, m := range running.Members() {
		files.Faults(m.Name).Delay(powerfs.Sync, c.sync)
	}
	if p.history, err = history.NewRecorder(filepath.Join(c.dir, "history.jsonl")); err != nil {
		return 2, nil, err
	}
	start := time.Now()
	p.loads = []*workload.Workload{
		{Nodes: running.Nodes, Start: start, History: p.history, Prefix: "small", Keys: 24, Change: 15 * time.Second, Pause: 10 * time.Millisecond},
		// Enough bytes for files to be written, and for the log to go on in new ones.
		{Nodes: running.Nodes, Start: start, History: p.history, Prefix: "large", Keys: 16, Change: 15 * time.Second, Pause: 20 * time.Millisecond, Size: 64 << 10},
	}
	code, err = p.losses(ctx, s)
	_, errHistory := p.history.Close()
	p.results.took = time.Since(start)
	return code, &p.results, errors.Join(err, errHistory)
}

// losses loses the power as often as it should.
func (p *power) losses(ctx context.Context, s *sabotage) (code int, err error) {
	if err := p.cluster.Start(); err != nil {
		return 2, err
	}
	if err := p.whole(ctx); err != nil {
		return 2, err
	}
	if p.stores, err = p.storesNow(ctx); err != nil {
		return 2, err
	}
	if s != nil {
		p.files.Lie(s.lie)
	}
	for p.goesOn(s) && ctx.Err() == nil {
		if err := p.round(ctx); errors.Is(err, errHarness) {
			return 2, err
		} else if err != nil {
			return 1, err
		}
	}
	if err := p.verifyAll(ctx); err != nil {
		return 1, err
	}
	if err := p.results.void(); err != nil {
		return 2, err
	}
	return 0, ctx.Err()
}

// goesOn reports whether there is to be another loss: also where a short run has met
// no coordinator, or no node, with anything to lose, up to twice as many.
func (p *power) goesOn(s *sabotage) bool {
	enough := p.config.losses
	if s == nil && p.results.void() != nil {
		enough *= 2
	}
	return p.results.losses < enough
}

// round is load, a loss or two, and everything checked.
func (p *power) round(ctx context.Context) error {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var users sync.WaitGroup
	for _, w := range p.loads {
		for range 10 {
			p.clients++
			c := workload.NewClient(w, p.clients, p.seed)
			users.Go(func() { c.Run(loading) })
		}
	}
	o := &operator{cluster: p.cluster, random: rand.New(rand.NewPCG(p.random.Uint64(), 0))}
	users.Go(func() { o.run(loading) })
	err := p.lose(ctx)
	if err == nil {
		err = p.whole(ctx)
	}
	if err == nil {
		p.sleep(ctx, 100*time.Millisecond, 500*time.Millisecond)
	}
	stop()
	users.Wait()
	if err != nil {
		return err
	}
	return p.verify(ctx)
}

// whole waits until the cluster is.
func (p *power) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	return p.cluster.WaitWhole(ctx)
}

// sleep waits between the bounds; false if ctx ended.
func (p *power) sleep(ctx context.Context, from, to time.Duration) bool {
	timer := time.NewTimer(from + time.Duration(p.random.Int64N(int64(to-from))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (p *power) tell(format string, args ...any) {
	fmt.Printf("%6.1f s  %s\n", time.Since(p.loads[0].Start).Seconds(), fmt.Sprintf(format, args...))
}

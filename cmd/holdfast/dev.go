package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/dataplane"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

type devCommand struct {
	Nodes    int        `default:"3" help:"Number of data nodes."`
	DataDir  string     `help:"Directory that keeps the data; default a temporary one, removed at the end." placeholder:"DIR"`
	Port     int        `default:"7070" hidden:"" help:"First port to try."`
	LogLevel slog.Level `help:"Least important messages to log: debug, info, warn or error." default:"error"`
}

// Run runs the cluster until ctx ends.
func (c *devCommand) Run(ctx context.Context, t *terminal) (err error) {
	if c.Nodes < 1 {
		return usage(errors.New("--nodes: want at least 1"))
	}
	dir, temporary := c.DataDir, c.DataDir == ""
	if temporary {
		if dir, err = os.MkdirTemp("", "holdfast-dev-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	plan, err := devPlanIn(dir, c.Nodes, c.Port)
	if err != nil {
		return err
	}
	told := ctx // ends when we are told to
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	logs := slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: c.LogLevel}))
	cluster := &devCluster{plan: plan, dir: dir, logger: logs, out: t.out, fail: fail}
	defer func() { err = errors.Join(err, cluster.close()) }()
	if err = cluster.start(ctx); err == nil {
		if err = cluster.waitReady(ctx); err == nil {
			plan.tell(t.out, dir, temporary)
			<-ctx.Done()
			fmt.Fprintln(t.out, "\nEnding the cluster.")
			err = context.Cause(ctx)
		}
	}
	if told.Err() != nil {
		return nil
	}
	return err
}

// devLeave is how long a node hands over before it starts again of itself.
const devLeave = 10 * time.Second

// devCluster is the processes of a cluster, as parts of this one.
type devCluster struct {
	plan   *devPlan
	dir    string
	logger *slog.Logger
	out    io.Writer
	fail   context.CancelCauseFunc

	coordinators []*coordinator.Coordinator
	nodes        []*keptNode
}

func (d *devCluster) start(ctx context.Context) error {
	initial := map[string]string{}
	var peers []string
	for _, one := range d.plan.Coordinators {
		initial[one.Name] = one.Peer
		peers = append(peers, one.Peer)
	}
	factor := min(3, len(d.plan.Nodes))
	for _, one := range d.plan.Coordinators {
		registry := newRegistry()
		running, err := coordinator.Start(coordinator.Config{
			ID: one.Name, DataDir: filepath.Join(d.dir, one.Name), HTTPAddr: one.HTTP, PeerAddr: one.Peer, InitialCluster: initial,
			Settings:   partition.Settings{ReplicationFactor: factor, ExpectNodes: len(d.plan.Nodes)},
			Registerer: registry, Gatherer: registry, Logger: d.logger,
		})
		if err != nil {
			return fmt.Errorf("coordinator %s: %w", one.Name, err)
		}
		d.coordinators = append(d.coordinators, running)
	}
	// A node's start waits for the others: all of them start at the same time.
	nodes, errs := make([]*keptNode, len(d.plan.Nodes)), make([]error, len(d.plan.Nodes))
	var starting sync.WaitGroup
	for i, one := range d.plan.Nodes {
		starting.Go(func() {
			registry := newRegistry()
			nodes[i], errs[i] = keepNode(ctx, dataplane.Config{
				NodeID: partition.NodeID(one.Name), DataDir: filepath.Join(d.dir, one.Name), HTTPAddr: one.HTTP, PeerAddr: one.Peer,
				Coordinators: peers, Registerer: registry, Gatherer: registry, Logger: d.logger.With("node", one.Name),
				Failed: func(err error) { d.failed(one.Name, err) },
			}.WithDefaults(), devLeave)
			if errs[i] != nil {
				errs[i] = fmt.Errorf("node %s: %w", one.Name, errs[i])
			}
		})
	}
	starting.Wait()
	for _, n := range nodes {
		if n != nil {
			d.nodes = append(d.nodes, n)
		}
	}
	return errors.Join(errs...)
}

// failed ends the cluster for a node that cannot go on. One that was removed, as
// the user asked, only stops serving: the others go on.
func (d *devCluster) failed(node string, err error) {
	var refused *client.RefusedError
	if errors.As(err, &refused) && refused.Removed {
		fmt.Fprintf(d.out, "\nNode %s was removed from the cluster. It serves nothing any more; the others go on.\n", node)
		return
	}
	d.fail(fmt.Errorf("node %s: %w", node, err))
}

// waitReady waits until every node answers requests.
func (d *devCluster) waitReady(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for _, one := range d.plan.Nodes {
		for {
			err := settled(waiting, "http://"+one.HTTP)
			if err == nil {
				break
			}
			select {
			case <-waiting.Done():
				return fmt.Errorf("node %s is not ready: %w", one.Name, err)
			case <-ticker.C:
			}
		}
	}
	return nil
}

// settled tells why a node cannot serve yet, or does not know who leads.
func settled(ctx context.Context, server string) error {
	if err := exchange(ctx, server+"/readyz", nil); err != nil {
		return err
	}
	var cluster mapjson.Cluster
	if err := exchange(ctx, server+"/v1/cluster", &cluster); err != nil {
		return err
	}
	if cluster.Leader == "" {
		return errors.New("it has not heard yet which coordinator leads")
	}
	return nil
}

// close ends the nodes, then the coordinators.
func (d *devCluster) close() error {
	var mu sync.Mutex
	var errs []error
	var ending sync.WaitGroup
	end := func(name string, part interface{ Close() error }) {
		ending.Go(func() {
			if err := part.Close(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("end %s: %w", name, err))
			}
		})
	}
	for i, n := range d.nodes {
		end("node "+strconv.Itoa(i+1), n)
	}
	ending.Wait()
	for i, c := range d.coordinators {
		end("coordinator "+strconv.Itoa(i+1), c)
	}
	ending.Wait()
	return errors.Join(errs...)
}

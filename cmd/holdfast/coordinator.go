package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/partition"
)

type coordinatorCommand struct {
	ID             string            `name:"id" required:"" help:"Name of this coordinator: c1."`
	DataDir        string            `required:"" help:"Directory for its data; made if it is not there." placeholder:"DIR"`
	HTTPAddr       string            `name:"http-addr" default:"127.0.0.1:7080" help:"Address for administration and status." placeholder:"HOST:PORT"`
	PeerAddr       string            `default:"127.0.0.1:7081" help:"Address for the other coordinators and the nodes." placeholder:"HOST:PORT"`
	InitialCluster map[string]string `required:"" mapsep:"," help:"All coordinators with their peer addresses: c1=HOST:PORT,c2=HOST:PORT,c3=HOST:PORT." placeholder:"ID=HOST:PORT,..."`

	Partitions        int    `help:"Number of partitions, fixed when the cluster is made; default 256."`
	ReplicationFactor int    `help:"Copies of each partition; default 3."`
	MinInSync         int    `help:"Copies that must have a write before it is acknowledged; default a majority of the replication factor."`
	ExpectNodes       int    `help:"Nodes to wait for before partitions are placed; default the replication factor."`
	Application       string `help:"The servers that the cluster is for, fixed when it is made: a program of the library says its own name. Default holdfast, which is what data nodes say." placeholder:"NAME"`

	ReplaceAfter time.Duration `default:"5m" help:"How long a node is away before others get its replicas; a node that is back by then catches up from the log."`

	addressFlags
	logFlags
	profileFlag
}

// Run runs the coordinator until ctx ends.
func (c *coordinatorCommand) Run(ctx context.Context, t *terminal) error {
	if err := c.check(c.HTTPAddr, c.PeerAddr); err != nil {
		return usage(err)
	}
	endProfiler, err := c.serve(ctx)
	if err != nil {
		return err
	}
	defer endProfiler()
	config := c.config(t)
	if err := config.Validate(); err != nil {
		return usage(err)
	}
	running, err := coordinator.Start(config)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return running.Close()
	case <-running.Done():
		err := running.Err()
		_ = running.Close() // what ended it says more
		return err
	}
}

// config is what the flags say.
func (c *coordinatorCommand) config(t *terminal) coordinator.Config {
	registry := newRegistry()
	return coordinator.Config{
		ID: c.ID, DataDir: c.DataDir, HTTPAddr: c.HTTPAddr, PeerAddr: c.PeerAddr,
		AdvertiseHTTPAddr: c.AdvertiseHTTPAddr, AdvertisePeerAddr: c.AdvertisePeerAddr,
		InitialCluster: c.InitialCluster, Application: c.Application,
		Settings: partition.Settings{Partitions: c.Partitions, ReplicationFactor: c.ReplicationFactor,
			MinInSync: c.MinInSync, ExpectNodes: c.ExpectNodes},
		Timings:    coordinator.Timings{ReplaceAfter: c.ReplaceAfter},
		Registerer: registry, Gatherer: registry, Logger: c.logger(t.err),
	}
}

// newRegistry is one process's metrics, with those of Go itself.
func newRegistry() *lasting {
	registry := newLasting()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

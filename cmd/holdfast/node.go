package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/dataplane"
	"github.com/holdfast-io/holdfast/dataplane/gateway"
	"github.com/holdfast-io/holdfast/partition"
)

type nodeCommand struct {
	ID           string   `name:"id" required:"" help:"Name of this node: n1."`
	DataDir      string   `required:"" help:"Directory for its data; made if it is not there." placeholder:"DIR"`
	HTTPAddr     string   `name:"http-addr" default:"127.0.0.1:7070" help:"Address for clients." placeholder:"HOST:PORT"`
	PeerAddr     string   `default:"127.0.0.1:7071" help:"Address for the other nodes." placeholder:"HOST:PORT"`
	Coordinators []string `required:"" help:"Peer addresses of the coordinators." placeholder:"HOST:PORT,..."`
	Zone         string   `help:"Where the node stands; replicas of a partition are kept in different zones."`

	MemoryTable  size `default:"256MiB" help:"Memory for values that are not yet in their partition's file."`
	LogRetention size `default:"256MiB" help:"Log that is kept for replicas that come back."`
	BodyMemory   size `default:"256MiB" help:"Memory for the bodies of requests, arriving and waiting; beyond it clients get 429."`
	InboxMemory  size `default:"64MiB" help:"Memory, for each executor, for operations that wait for their partition; beyond it clients get 429."`
	DiskReserve  size `default:"512MiB" help:"Disk space that is kept free: below it PUTs get 507."`
	DiskResume   size `help:"Free disk space from which on PUTs are taken again. Default: 5/4 of the reserve."`

	ExpiryRate   int           `default:"4000" help:"How many values that have ended, and that nobody reads, are removed a second."`
	ScrubRate    size          `default:"2MiB" help:"How much of what is stored is read and checked a second, for its own sake."`
	HashCheck    time.Duration `default:"1m" help:"How often the hashes of each partition's replicas are compared."`
	LeaveTimeout time.Duration `default:"10s" help:"How long a node that is told to end waits for others to take over; 0: not at all."`

	addressFlags
	logFlags
	profileFlag
}

// Run runs the node until ctx ends, its disk fails, or the coordinators refuse it.
func (c *nodeCommand) Run(ctx context.Context, t *terminal) error {
	if err := c.check(c.HTTPAddr, c.PeerAddr); err != nil {
		return usage(err)
	}
	told := ctx // ends when we are told to
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	endProfiler, err := c.serve(ctx)
	if err != nil {
		return err
	}
	defer endProfiler()
	config := c.config(t, fail)
	if err := config.Validate(); err != nil {
		return usage(err)
	}
	limitMemory(&config)
	tuning, tuned := context.WithCancel(ctx)
	var garbage sync.WaitGroup
	garbage.Go(func() { tuneGarbage(tuning) })
	defer garbage.Wait()
	defer tuned()
	node, err := keepNode(ctx, config, c.LeaveTimeout)
	if err != nil {
		if told.Err() != nil {
			return nil
		}
		return err
	}
	<-ctx.Done()
	if told.Err() != nil {
		leaving, cancel := context.WithTimeout(context.Background(), c.LeaveTimeout)
		node.Leave(leaving)
		cancel()
	}
	err = node.Close()
	if told.Err() != nil {
		return err
	}
	return errors.Join(context.Cause(ctx), err)
}

// config is what the flags say. fail is told what the node cannot go on from.
func (c *nodeCommand) config(t *terminal, fail func(error)) dataplane.Config {
	registry := newRegistry()
	config := dataplane.Config{
		NodeID: partition.NodeID(c.ID), DataDir: c.DataDir, HTTPAddr: c.HTTPAddr, PeerAddr: c.PeerAddr,
		AdvertiseHTTPAddr: c.AdvertiseHTTPAddr, AdvertisePeerAddr: c.AdvertisePeerAddr,
		Coordinators: c.Coordinators, Zone: c.Zone,
		MemoryTable: int64(c.MemoryTable), LogRetention: int64(c.LogRetention),
		InboxBytes: int64(c.InboxMemory), Limits: gateway.Limits{Bodies: int64(c.BodyMemory)},
		DiskReserve: int64(c.DiskReserve), DiskResume: int64(c.DiskResume), ExpiryRate: c.ExpiryRate, ScrubRate: int64(c.ScrubRate),
		Registerer: registry, Gatherer: registry, Logger: c.logger(t.err),
		Failed: fail,
	}.WithDefaults()
	config.Timings.HashCheck = c.HashCheck
	return config
}

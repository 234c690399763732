package main

import (
	"context"
	"errors"

	"github.com/holdfast-io/holdfast/dataplane"
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

	addressFlags
	logFlags
}

// Run runs the node until ctx ends or its disk fails.
func (c *nodeCommand) Run(ctx context.Context, t *terminal) error {
	if err := c.check(c.HTTPAddr, c.PeerAddr); err != nil {
		return usage(err)
	}
	told := ctx // ends when we are told to
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	registry := newRegistry()
	config := dataplane.Config{
		NodeID: partition.NodeID(c.ID), DataDir: c.DataDir, HTTPAddr: c.HTTPAddr, PeerAddr: c.PeerAddr,
		AdvertiseHTTPAddr: c.AdvertiseHTTPAddr, AdvertisePeerAddr: c.AdvertisePeerAddr,
		Coordinators: c.Coordinators, Zone: c.Zone,
		MemoryTable: int64(c.MemoryTable), LogRetention: int64(c.LogRetention),
		Registerer: registry, Gatherer: registry, Logger: c.logger(t.err),
		Failed: func(err error) { fail(err) },
	}.WithDefaults()
	if err := config.Validate(); err != nil {
		return usage(err)
	}
	node, err := dataplane.Start(ctx, config)
	if err != nil {
		if told.Err() != nil {
			return nil
		}
		return err
	}
	<-ctx.Done()
	err = node.Close()
	if told.Err() != nil {
		return err
	}
	return errors.Join(context.Cause(ctx), err)
}

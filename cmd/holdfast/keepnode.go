package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/dataplane"
)

// leastLife is how long a node lives at least before it starts again of itself:
// a disk that damages everything must not make it do nothing else.
const leastLife = 10 * time.Second

// keptNode is a data node that is started again, in this process, when it asks
// for it. One that failed, or that the coordinators refuse, is not.
type keptNode struct {
	config dataplane.Config
	leave  time.Duration // for handing over before it starts again
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}

	mu   sync.Mutex
	node *dataplane.Node // nil while it starts again
}

// keepNode starts a node. ctx bounds its first start; Close ends it.
func keepNode(ctx context.Context, config dataplane.Config, leave time.Duration) (*keptNode, error) {
	node, err := dataplane.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	k := &keptNode{config: config, leave: leave, node: node, ended: make(chan struct{})}
	k.ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go k.keep(node)
	return k, nil
}

// keep waits for the node to ask, until the context ends.
func (k *keptNode) keep(node *dataplane.Node) {
	defer close(k.ended)
	for {
		lived := time.After(leastLife)
		select {
		case <-k.ctx.Done():
			return
		case <-node.Done():
			return // it cannot go on: Failed was told
		case <-node.Again():
		}
		select {
		case <-k.ctx.Done():
			return
		case <-node.Done():
			return
		case <-lived:
		}
		leaving, cancel := context.WithTimeout(k.ctx, k.leave)
		node.Leave(leaving)
		cancel()
		if k.ctx.Err() != nil {
			return
		}
		if node.Fenced() != nil {
			continue // it ends: a new start might take the place of the one that took its
		}
		k.mu.Lock()
		k.node = nil
		k.mu.Unlock()
		again, err := (*dataplane.Node)(nil), node.Close()
		if err == nil {
			again, err = dataplane.Start(k.ctx, k.config)
		}
		if k.ctx.Err() == nil && err != nil {
			k.config.Failed(fmt.Errorf("start again: %w", err))
		}
		if err != nil {
			return
		}
		k.mu.Lock()
		k.node = again
		k.mu.Unlock()
		node = again
	}
}

// current is the running node, nil while it starts again.
func (k *keptNode) current() *dataplane.Node {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.node
}

// Leave hands over what the node does.
func (k *keptNode) Leave(ctx context.Context) {
	if node := k.current(); node != nil {
		node.Leave(ctx)
	}
}

// Close ends the node.
func (k *keptNode) Close() error {
	k.cancel()
	<-k.ended
	if node := k.current(); node != nil {
		return node.Close()
	}
	return nil
}

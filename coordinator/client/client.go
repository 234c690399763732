package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// Client follows a cluster's map, and is a node of it if it was made by Join.
type Client struct {
	config Config
	role   protocol.Role
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	links    []*link
	current  atomic.Pointer[view]
	acted    atomic.Pointer[partition.Stamp] // of the last map that OnMap has returned from
	found    found
	beat     atomic.Pointer[protocol.Beat]
	refused  atomic.Pointer[RefusedError] // what the coordinators said last
	fenced   atomic.Pointer[RefusedError] // why this program acts as its node no longer
	accepted atomic.Bool                  // some map named this start
	// superseded is the version of a map that gave the place of this start to
	// another; zero if none did.
	superseded atomic.Uint64
	follow     following
	maps       mapQueue
	proposing  proposals
	hooks      hooks
	asking     asking
	leading    leading
	fences     fences
	lifecycle  lifecycle
}

// Join makes the program a node of the cluster. It returns when a map names
// this boot of it; ctx bounds only that. Its error is a *RefusedError where the
// coordinators refuse the node for good.
func Join(ctx context.Context, config Config) (*Client, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("join the cluster: %w", err)
	}
	c := start(config.withDefaults(), protocol.RoleNode)
	if config.NothingToCopy && !config.ProposesItself {
		c.log.Info("nothing to copy: a learner of this node becomes a replica at once, unless a hook is registered", "node", config.NodeID)
	}
	err := c.await(ctx, func(m *partition.Map) bool { return c.named(m) })
	if err == nil && c.config.OnAccepted != nil {
		if err = c.config.OnAccepted(c.Map().Version); err != nil {
			err = fmt.Errorf("note that the start is accepted: %w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("join the cluster as node %s: %w", config.NodeID, err), c.Close())
	}
	return c, nil
}

// Follow follows the map. It returns with the first map; ctx bounds only that.
func Follow(ctx context.Context, config FollowConfig) (*Client, error) {
	if err := checkCoordinators(config.Coordinators); err != nil {
		return nil, fmt.Errorf("follow the map: %w", err)
	}
	full := Config{
		Coordinators: config.Coordinators, OnMap: config.OnMap, TLS: config.TLS,
		Network: config.Network, Logger: config.Logger,
	}.withDefaults()
	full.Application = config.Application
	c := start(full, protocol.RoleFollower)
	if err := c.await(ctx, func(m *partition.Map) bool { return m.Version > 0 }); err != nil {
		return nil, errors.Join(fmt.Errorf("follow the map: %w", err), c.Close())
	}
	return c, nil
}

// start makes the client, with all its goroutines.
func start(config Config, role protocol.Role) *Client {
	c := &Client{config: config, role: role, log: config.Logger}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.current.Store(&view{m: &partition.Map{}})
	c.acted.Store(&partition.Stamp{})
	c.maps.init()
	c.proposing.init()
	c.hooks.init(c)
	c.asking.init(c)
	c.leading.init(c)
	c.connect()
	c.wg.Go(c.deliver)
	c.wg.Go(c.supervise)
	if role == protocol.RoleNode {
		c.wg.Go(c.heartbeats)
		c.wg.Go(c.registration)
		c.wg.Go(c.sendProposals)
		if !config.ProposesItself {
			c.wg.Go(c.handOver)
			c.wg.Go(c.asking.run)
			c.wg.Go(c.leading.run)
		}
	}
	return c
}

// await waits for a map that is right; a refusal ends it too.
func (c *Client) await(ctx context.Context, right func(m *partition.Map) bool) error {
	for {
		changed := c.maps.changed()
		if right(c.Map()) {
			return nil
		}
		refused := c.refused.Load()
		if refused != nil && !refused.Waits {
			return refused
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if refused != nil {
				return errors.Join(ctx.Err(), refused, c.troubles())
			}
			return errors.Join(ctx.Err(), c.troubles())
		case <-c.ctx.Done():
			return errClosed
		}
	}
}

var errClosed = errors.New("the client is closed")

// Map is the newest map known; it never changes, and it is never nil.
func (c *Client) Map() *partition.Map { return c.current.Load().m }

// WaitMap waits until the map's version is above after.
func (c *Client) WaitMap(ctx context.Context, after uint64) error {
	for {
		changed := c.maps.changed()
		if c.Map().Version > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for a map above version %d: %w", after, ctx.Err())
		case <-c.ctx.Done():
			return fmt.Errorf("wait for a map above version %d: %w", after, errClosed)
		}
	}
}

// ClusterID is the cluster's identity, made at its creation; "" before the
// first map, unless it was given.
func (c *Client) ClusterID() string {
	if id := c.Map().ClusterID; id != "" {
		return id
	}
	return c.config.ClusterID
}

// Store is the identity that this node joined with; drawn at random if none was
// given.
func (c *Client) Store() partition.StoreID { return c.config.Store }

// Self is this node as the map names it; false before that, and for followers.
func (c *Client) Self() (*Node, bool) {
	n, known := c.Map().Node(c.config.NodeID)
	return n.Clone(), known
}

// named reports whether the map names this boot of this node.
func (c *Client) named(m *partition.Map) bool {
	n, _ := m.Node(c.config.NodeID)
	return c.isSelf(n)
}

// Err is why the coordinators do not accept this program now, a *RefusedError;
// nil while they do. One that is refused for good is fenced (see Fenced). One
// that waits goes on with the map it has, and asks again.
func (c *Client) Err() error {
	if reason := c.fenced.Load(); reason != nil {
		return reason
	}
	if refused := c.refused.Load(); refused != nil && (refused.TurnedAway || !c.named(c.Map())) {
		return refused
	}
	return nil
}

// Close leaves the coordinators without a word: the map still names the node.
// It waits for hooks that are being called, so it must not be called from one;
// their context ends.
func (c *Client) Close() error {
	c.cancel()
	for _, l := range c.links {
		_ = l.link.Close()
	}
	c.wg.Wait()
	c.hooks.wait()
	return nil
}

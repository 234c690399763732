package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// replaceAfter is how long a node is away in these runs before others get its
// replicas: some of the faults last longer.
const replaceAfter = 3 * time.Second

// removalPatience is how long a node that is to be removed may take to give
// everything away, with other faults about.
const removalPatience = 30 * time.Second

// command is an admin command about a member. Its ID makes it safe to send again.
type command struct {
	n      *nemesis
	member *cluster.Member
	what   string
	id     string
	maybe  bool // an attempt may have been applied, or may yet be
}

func (n *nemesis) command(member *cluster.Member, what string) *command {
	return &command{n: n, member: member, what: what, id: rand.Text()}
}

// errRefused says that the command's ID is refused for good: said again, it is
// another command.
var errRefused = errors.New("refused")

// send asks one coordinator after another, until one has an answer.
func (c *command) send() error {
	kind := "coordinators"
	if c.member.Node {
		kind = "nodes"
	}
	var errs []error
	for _, to := range c.n.cluster.Coordinators {
		if !to.Running() || to.Paused() || to == c.member {
			continue
		}
		err := c.post("http://" + to.HTTP + "/v1/" + kind + "/" + c.member.Name + "/" + c.what + "?timeout=4s")
		if err == nil || errors.Is(err, errRefused) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, fmt.Errorf("no coordinator takes the command to %s %s", c.what, c.member.Name))...)
}

// admins is what commands to coordinators go out with.
var admins = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (c *command) post(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set(coordinator.OperationHeader, c.id)
	response, err := admins.Do(request)
	if err != nil {
		c.maybe = true
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusConflict:
		return fmt.Errorf("%s: %w", url, errRefused)
	case http.StatusServiceUnavailable:
	default:
		c.maybe = true
	}
	return fmt.Errorf("%s: %s", url, response.Status)
}

// drain has a node give everything away, for a while.
func (n *nemesis) drain(ctx context.Context, node *cluster.Member) error {
	if c := n.command(node, "drain"); c.send() != nil && !c.maybe {
		return nil // without a leader, or with too few other nodes, it is not done
	}
	defer n.note("drain node", "drain "+node.Name)()
	n.sleep(ctx, time.Second, 6*time.Second)
	return n.insist(context.Background(), node, "undrain")
}

// insist repeats a command until it is applied: links may be cut for a while.
func (n *nemesis) insist(ctx context.Context, member *cluster.Member, what string) error {
	ctx, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	c := n.command(member, what)
	return n.cluster.Wait(ctx, member.Name+" to be told to "+what, func(context.Context) error {
		err := c.send()
		if errors.Is(err, errRefused) {
			c = n.command(member, what)
		}
		return err
	})
}

// remove takes a node out of the cluster, and starts it again with an empty disk.
// The node's process ends by itself; where that takes too long it keeps its part.
func (n *nemesis) remove(ctx context.Context, node *cluster.Member) error {
	if c := n.command(node, "remove"); c.send() != nil && !c.maybe {
		return nil
	}
	defer n.note("remove node", "remove "+node.Name+", which joins again with an empty disk")()
	waiting, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	select {
	case <-node.Exited():
	case <-waiting.Done():
		if err := n.insist(context.Background(), node, "undrain"); err == nil || !n.gone(node) {
			return err
		}
		<-node.Exited() // it was removed just now
	}
	if err := node.Wipe(); err != nil {
		return err
	}
	return node.Start()
}

// gone reports whether the map does not name a node.
func (n *nemesis) gone(node *cluster.Member) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, c := range n.cluster.Coordinators {
		var nodes mapjson.Nodes
		if c.Running() && !c.Paused() && c.Ask(ctx, "/v1/nodes", &nodes) == nil {
			for _, one := range nodes.Nodes {
				if one.ID == partition.NodeID(node.Name) {
					return false
				}
			}
			return true
		}
	}
	return false
}

// replaceCoordinator takes a coordinator's disk away, and gives its place to a new
// one. With too few others about it comes back as it was.
func (n *nemesis) replaceCoordinator(ctx context.Context, c *cluster.Member) error {
	defer n.note("replace coordinator", "kill -9 "+c.Name+", which gets an empty disk and its place anew")()
	if err := c.Kill(); err != nil {
		return err
	}
	if n.insist(ctx, c, "remove") != nil {
		// Nobody could be asked, or the answer was lost: in either case its disk is
		// good for a place that it has, and for none that it has not.
		return c.Start()
	}
	if err := c.Wipe(); err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	return n.insist(context.Background(), c, "add")
}

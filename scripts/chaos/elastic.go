package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

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

// order has the coordinators do something about a member: whichever of them can.
func (n *nemesis) order(member *cluster.Member, what string) error {
	kind := "coordinators"
	if member.Node {
		kind = "nodes"
	}
	var errs []error
	for _, c := range n.cluster.Coordinators {
		if !c.Running() || c.Paused() || c == member {
			continue
		}
		err := post("http://" + c.HTTP + "/v1/" + kind + "/" + member.Name + "/" + what)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, fmt.Errorf("no coordinator takes the order to %s %s", what, member.Name))...)
}

// orders is what orders to coordinators go out with.
var orders = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func post(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := orders.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// drain has a node give everything away, for a while.
func (n *nemesis) drain(ctx context.Context, node *cluster.Member) error {
	if n.order(node, "drain") != nil {
		return nil // without a leader, or with too few other nodes, it is not done
	}
	defer n.note("drain node", "drain "+node.Name)()
	n.sleep(ctx, time.Second, 6*time.Second)
	return n.insist(node, "undrain")
}

// insist repeats an order until it is taken: links may be cut for a while.
func (n *nemesis) insist(node *cluster.Member, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), removalPatience)
	defer cancel()
	return n.cluster.Wait(ctx, node.Name+" to be told to "+what, func(context.Context) error { return n.order(node, what) })
}

// remove takes a node out of the cluster, and starts it again with an empty disk.
// The node's process ends by itself; where that takes too long it keeps its part.
func (n *nemesis) remove(ctx context.Context, node *cluster.Member) error {
	if n.order(node, "remove") != nil {
		return nil
	}
	defer n.note("remove node", "remove "+node.Name+", which joins again with an empty disk")()
	waiting, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	select {
	case <-node.Exited():
	case <-waiting.Done():
		if err := n.insist(node, "undrain"); err == nil || !n.gone(node) {
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
	removing, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	if n.cluster.Wait(removing, c.Name+" to be removed", func(context.Context) error { return n.order(c, "remove") }) != nil {
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
	return n.insist(c, "add")
}

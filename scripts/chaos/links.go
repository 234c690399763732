package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/network"
)

// links can be harmed: network namespaces or proxies.
type links interface {
	Cut(from, to string)
	Delay(from, to string, by time.Duration)
	HealAll()
	Close() error
}

// join makes the network that was asked for, and lets the cluster use it; nil is
// loopback, whose links cannot be harmed.
func (c *config) join(o *cluster.Options) (links, error) {
	proxies := func() (links, error) {
		p := network.NewProxies()
		o.Through = p.Through
		return p, nil
	}
	switch c.network {
	case "none":
		return nil, nil
	case "proxy":
		return proxies()
	case "auto", "namespaces":
		n, err := network.New()
		if err == nil {
			o.Place = n.Place
			return n, nil
		}
		if c.network == "namespaces" {
			return nil, err
		}
		fmt.Printf("links go through proxies: %v\n", err)
		return proxies()
	}
	return nil, fmt.Errorf("-network %q: want auto, namespaces, proxy or none", c.network)
}

// lastingLink bounds how long a link is harmed: longer than promises last.
const lastingLink = 4 * time.Second

// link harms links for a while.
func (n *nemesis) link(ctx context.Context) {
	members := n.cluster.Members()
	node := n.cluster.Nodes[n.random.IntN(len(n.cluster.Nodes))]
	other := members[n.random.IntN(len(members))]
	if other == node {
		return
	}
	var kind, what string
	deaf := []string{node.Name}
	switch n.random.IntN(6) {
	case 0:
		kind, what = "cut both ways", fmt.Sprintf("%s and %s do not hear each other", node.Name, other.Name)
		n.links.Cut(node.Name, other.Name)
		n.links.Cut(other.Name, node.Name)
	case 1:
		kind, what = "cut one way", fmt.Sprintf("%s does not hear %s", other.Name, node.Name)
		n.links.Cut(node.Name, other.Name)
	case 2:
		kind, what = "isolate", node.Name+" and the others do not hear each other"
		n.around(node, n.links.Cut)
	case 3:
		kind, what = "mute", "nobody hears "+node.Name
		for _, m := range members {
			if m != node {
				n.links.Cut(node.Name, m.Name)
			}
		}
	case 4:
		by := time.Duration(20+n.random.IntN(400)) * time.Millisecond
		kind, what = "delay", fmt.Sprintf("%v more from and to %s", by, node.Name)
		n.around(node, func(from, to string) { n.links.Delay(from, to, by) })
	case 5:
		kind, what = "split", "the nodes are in two halves that do not hear each other"
		half := n.random.IntN(len(n.cluster.Nodes)-1) + 1
		smaller := n.cluster.Nodes[:half]
		if half > len(n.cluster.Nodes)/2 {
			smaller = n.cluster.Nodes[half:]
		}
		deaf = nil
		for _, m := range smaller {
			deaf = append(deaf, m.Name)
		}
		for _, a := range n.cluster.Nodes[:half] {
			for _, b := range n.cluster.Nodes[half:] {
				n.links.Cut(a.Name, b.Name)
				n.links.Cut(b.Name, a.Name)
			}
		}
	}
	defer n.note(kind, what)()
	n.deafen(deaf...)
	n.sleep(ctx, 300*time.Millisecond, lastingLink)
	n.links.HealAll()
	n.deafen()
}

// around does something to all ways from and to a member, but for those of the
// clients.
func (n *nemesis) around(node *cluster.Member, do func(from, to string)) {
	for _, m := range n.cluster.Members() {
		if m != node {
			do(node.Name, m.Name)
			do(m.Name, node.Name)
		}
	}
}

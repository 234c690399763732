// Package cluster runs a Holdfast cluster of real processes on loopback, for
// the benchmark, the chaos run and the process tests: starts them on free
// ports, harms them by name, and waits until they are well. It ends only
// processes that it started itself.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what cluster to run.
type Options struct {
	Binary           string // the holdfast program
	Dir              string // for data and logs; made if need be
	Data             string // for data, where that is to be elsewhere; it must be there
	Coordinators     int    // default 3
	Nodes            int    // default 3
	Spare            int    // nodes that are prepared, and join later
	Partitions       int    // default: the program's
	CoordinatorFlags []string
	NodeFlags        []string
	// Place, if set, gives each process a host of its own, and what its command
	// line is to begin with. Default: loopback, nothing.
	Place func(name string) (host string, command []string, err error)
	// Through, if set, returns the address at which the other members reach one
	// that listens at the address given. Default: that one.
	Through func(name, address string) (string, error)
}

// Member is one process of a cluster with its addresses.
type Member struct {
	*Process
	HTTP, Peer string // host:port
	Data       string // its data directory
	reached    string // peer address for the others
	told       string // HTTP address for the others
	Node       bool   // or a coordinator
}

// Cluster is a set of processes. Its methods may be called from any goroutine.
type Cluster struct {
	Dir          string
	Coordinators []*Member
	Nodes        []*Member
	Spare        []*Member // nodes that have not joined
}

// Binary returns the program to test: what HOLDFAST_BINARY names, or
// bin/holdfast above the working directory.
func Binary() (string, error) {
	if path := os.Getenv("HOLDFAST_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "bin", "holdfast")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("bin/holdfast is not there: run `make build`")
		}
	}
}

// New prepares a cluster; Start starts it.
func New(o Options) (*Cluster, error) {
	if o.Coordinators == 0 {
		o.Coordinators = 3
	}
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	addresses, err := FreeAddresses(2 * (o.Coordinators + o.Nodes + o.Spare))
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: o.Dir}
	data := cmp.Or(o.Data, o.Dir)
	add := func(name string, node bool) (*Member, error) {
		m := c.member(name, data, addresses[0], addresses[1], node)
		addresses = addresses[2:]
		if o.Place != nil {
			host, command, err := o.Place(name)
			if err != nil {
				return nil, err
			}
			m.HTTP, m.Peer, m.Args = onHost(m.HTTP, host), onHost(m.Peer, host), command
		}
		m.reached, m.told = m.Peer, m.HTTP
		if o.Through == nil {
			return m, nil
		}
		var errPeer, errHTTP error
		m.reached, errPeer = o.Through(name, m.Peer)
		m.told, errHTTP = o.Through(name, m.HTTP)
		return m, errors.Join(errPeer, errHTTP)
	}
	var initial, peers []string
	for i := range o.Coordinators {
		m, err := add("c"+strconv.Itoa(i+1), false)
		if err != nil {
			return nil, err
		}
		initial, peers = append(initial, m.Name+"="+m.reached), append(peers, m.reached)
		c.Coordinators = append(c.Coordinators, m)
	}
	for i := range o.Nodes + o.Spare {
		m, err := add("n"+strconv.Itoa(i+1), true)
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, m)
	}
	for _, m := range c.Coordinators {
		m.Args = append(m.Args, o.Binary, "coordinator", "--id", m.Name, "--data-dir", m.Data, "--http-addr", m.HTTP, "--peer-addr", m.Peer,
			"--initial-cluster", strings.Join(initial, ","), "--expect-nodes", strconv.Itoa(o.Nodes))
		if o.Nodes < 3 {
			m.Args = append(m.Args, "--replication-factor", strconv.Itoa(o.Nodes))
		}
		if o.Partitions > 0 {
			m.Args = append(m.Args, "--partitions", strconv.Itoa(o.Partitions))
		}
		m.Args = append(m.Args, o.CoordinatorFlags...)
	}
	for _, m := range c.Nodes {
		m.Args = append(m.Args, o.Binary, "node", "--id", m.Name, "--data-dir", m.Data, "--http-addr", m.HTTP, "--peer-addr", m.Peer,
			"--coordinators", strings.Join(peers, ","))
		m.Args = append(m.Args, o.NodeFlags...)
	}
	c.Nodes, c.Spare = c.Nodes[:o.Nodes:o.Nodes], c.Nodes[o.Nodes:]
	for _, m := range slices.Concat(c.Members(), c.Spare) {
		if m.reached != m.Peer {
			m.Args = append(m.Args, "--advertise-peer-addr", m.reached, "--advertise-http-addr", m.told)
		}
		if err := os.MkdirAll(filepath.Dir(m.Log), 0o755); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// onHost is the address with another host.
func onHost(address, host string) string {
	_, port, _ := net.SplitHostPort(address)
	return net.JoinHostPort(host, port)
}

func (c *Cluster) member(name, data, http, peer string, node bool) *Member {
	return &Member{
		Process: &Process{Name: name, Log: filepath.Join(c.Dir, "logs", name+".log")},
		HTTP:    http, Peer: peer, Data: filepath.Join(data, name), Node: node,
	}
}

// Members returns the coordinators, then the nodes.
func (c *Cluster) Members() []*Member { return slices.Concat(c.Coordinators, c.Nodes) }

// Member returns the process of that name, or nil.
func (c *Cluster) Member(name string) *Member {
	for _, m := range c.Members() {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Start starts every process that is not running.
func (c *Cluster) Start() error {
	for _, m := range c.Members() {
		if m.Running() {
			continue
		}
		if err := m.Start(); err != nil {
			return err
		}
	}
	return nil
}

// Join starts the next spare node, which is one of the nodes from then on.
func (c *Cluster) Join() (*Member, error) {
	if len(c.Spare) == 0 {
		return nil, errors.New("no spare node is left")
	}
	m := c.Spare[0]
	c.Spare, c.Nodes = c.Spare[1:], append(c.Nodes, m)
	return m, m.Start()
}

// Leave takes a node that was removed out of the cluster; its process must have
// ended.
func (c *Cluster) Leave(m *Member) {
	c.Nodes = slices.DeleteFunc(slices.Clone(c.Nodes), func(o *Member) bool { return o == m })
}

// Kill sends SIGKILL to all processes that run. wait returns when they have ended:
// one that waits for a disk may take as long as that does.
func (c *Cluster) Kill() (wait func()) {
	var ending []<-chan struct{}
	for _, m := range c.Members() {
		if exited, err := m.signal(syscall.SIGKILL); err == nil {
			ending = append(ending, exited)
		}
	}
	return func() {
		for _, exited := range ending {
			<-exited
		}
	}
}

// Close ends all processes, all at the same time.
func (c *Cluster) Close() {
	var ending sync.WaitGroup
	for _, m := range c.Members() {
		ending.Go(func() { m.End(10 * time.Second) })
	}
	ending.Wait()
}

// Wipe removes everything that the member has on disk; it must not be running.
func (m *Member) Wipe() error {
	if m.Running() {
		return fmt.Errorf("wipe %s: it is running", m.Name)
	}
	return os.RemoveAll(m.Data)
}

// HTTPAddresses returns the nodes' addresses for clients.
func (c *Cluster) HTTPAddresses() []string {
	var out []string
	for _, m := range c.Nodes {
		out = append(out, m.HTTP)
	}
	return out
}

// Wait calls ready again and again until it returns nil. When ctx ends first, it
// returns what was wrong last; when a process ends by itself, that.
func (c *Cluster) Wait(ctx context.Context, what string, ready func(context.Context) error) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		for _, m := range c.Members() {
			if exited := m.Exited(); exited != nil && !m.Running() && !m.harmed() {
				return fmt.Errorf("wait for %s: %s ended by itself:\n%s", what, m.Name, m.LogTail(20))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (%w)", what, err, ctx.Err())
		case <-ticker.C:
		}
	}
}

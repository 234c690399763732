package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// devPlan is who has which address. It is kept with the data, for the
// coordinators know one another by address for good.
type devPlan struct {
	Coordinators []devMember `json:"coordinators"`
	Nodes        []devMember `json:"nodes"`
}

type devMember struct {
	Name string `json:"name"`
	HTTP string `json:"http_addr"`
	Peer string `json:"peer_addr"`
}

// devPlanIn returns the plan that the directory has, or makes one with the
// next free ports.
func devPlanIn(dir string, nodes, port int) (*devPlan, error) {
	path := filepath.Join(dir, "dev.json")
	plan := &devPlan{}
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, plan); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(plan.Nodes) != nodes {
			return nil, usage(fmt.Errorf("--nodes %d: the cluster in %s has %d", nodes, dir, len(plan.Nodes)))
		}
		return plan, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	take := func() (address string) {
		for err = errors.New("no free port"); port < 65536; port++ {
			address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			var l net.Listener
			if l, err = net.Listen("tcp", address); err == nil {
				port++
				_ = l.Close() // it was only tried
				return address
			}
		}
		return ""
	}
	for i := range nodes {
		plan.Nodes = append(plan.Nodes, devMember{"n" + strconv.Itoa(i+1), take(), take()})
	}
	for i := range 3 {
		plan.Coordinators = append(plan.Coordinators, devMember{"c" + strconv.Itoa(i+1), take(), take()})
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if text, err = json.MarshalIndent(plan, "", "  "); err != nil {
		return nil, err
	}
	return plan, os.WriteFile(path, append(text, '\n'), 0o644)
}

// tell prints where the cluster is and what to try.
func (p *devPlan) tell(w io.Writer, dir string, temporary bool) {
	fmt.Fprintf(w, "Holdfast is running: %d coordinators and %s in this process.\n\n", len(p.Coordinators), count(len(p.Nodes), "node", "nodes"))
	for _, m := range p.Nodes {
		fmt.Fprintf(w, "  %-4s http://%s\n", m.Name, m.HTTP)
	}
	for _, m := range p.Coordinators {
		fmt.Fprintf(w, "  %-4s http://%s (coordinator)\n", m.Name, m.HTTP)
	}
	until := "kept"
	if temporary {
		until = "removed at the end"
	}
	fmt.Fprintf(w, "\nData in %s, %s. Any request may go to any node:\n\n", dir, until)
	node := func(i int) string { return p.Nodes[i%len(p.Nodes)].HTTP }
	fmt.Fprintf(w, "  curl -X PUT -d 'hello' http://%s/v1/kv/greeting\n", node(0))
	fmt.Fprintf(w, "  curl -i -H 'Holdfast-Explain: 1' http://%s/v1/kv/greeting\n", node(1))
	fmt.Fprintf(w, "  curl http://%s/v1/locate/greeting\n\nCtrl-C ends it.\n", node(2))
}

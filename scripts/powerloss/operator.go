package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// operator gives the coordinators commands all the time, so that they have
// something to write: rates, and nodes that are drained and filled again.
type operator struct {
	cluster *cluster.Cluster
	random  *mathrand.Rand
	drained *cluster.Member
}

// run gives commands until ctx ends, and leaves no node drained unless the
// coordinators are away.
func (o *operator) run(ctx context.Context) {
	ticks := time.NewTicker(40 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			if o.drained != nil {
				o.send("/v1/nodes/"+o.drained.Name+"/undrain", "")
			}
			return
		case <-ticks.C:
		}
		switch {
		case o.random.IntN(25) > 0:
			o.send("/v1/rebalance", fmt.Sprintf(`{"throttle":%d}`, (8+o.random.IntN(8))<<20))
		case o.drained != nil:
			if o.send("/v1/nodes/"+o.drained.Name+"/undrain", "") {
				o.drained = nil
			}
		default:
			m := o.cluster.Nodes[o.random.IntN(len(o.cluster.Nodes))]
			o.drained = m // also where the answer is lost
			o.send("/v1/nodes/"+m.Name+"/drain", "")
		}
	}
}

// commands is what they are sent with.
var commands = &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// send asks one coordinator after another, until one does it.
func (o *operator) send(path, body string) bool {
	for _, c := range o.cluster.Coordinators {
		if !c.Running() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.HTTP+path, bytes.NewReader([]byte(body)))
		if err == nil {
			request.Header.Set(coordinator.OperationHeader, rand.Text())
			var answer *http.Response
			if answer, err = commands.Do(request); err == nil {
				answer.Body.Close()
				err = map[bool]error{false: fmt.Errorf("%s", answer.Status)}[answer.StatusCode == http.StatusOK]
			}
		}
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

package main

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// coordinators returns the flags with the coordinators as servers, whom any
// server names.
func (f serverFlags) coordinators(ctx context.Context) (serverFlags, error) {
	cluster, err := askCluster(ctx, f, (*client.Client).Cluster)
	if err != nil {
		return f, err
	}
	f.Server = nil
	for _, one := range cluster.Coordinators {
		if one.HTTPAddr != "" {
			f.Server = append(f.Server, one.HTTPAddr)
		}
	}
	if len(f.Server) == 0 {
		return f, coded{errors.New("no coordinator can be reached; name one with --server"), exitNotApplied}
	}
	return f, nil
}

// leaderPatience is how long a question waits for a leader, which may hang, where
// others have answered.
const leaderPatience = 1500 * time.Millisecond

// askLeader has the leader say how the coordinators are, where it answers: only they
// know which of them are in the group.
func (f serverFlags) askLeader(ctx context.Context, cluster *mapjson.Cluster) {
	for _, one := range cluster.Coordinators {
		if one.ID != cluster.Leader || one.HTTPAddr == "" {
			continue
		}
		f.Server, f.Timeout = []string{one.HTTPAddr}, min(f.Timeout/4, leaderPatience)
		if seen, err := askCluster(ctx, f, (*client.Client).Cluster); err == nil && seen.Leader == one.ID {
			cluster.Coordinators, cluster.Strangers = seen.Coordinators, seen.Strangers
		}
		return
	}
}

// askCoordinators asks the leader, or else any coordinator that answers. It returns
// nil where none answers.
func askCoordinators[T any](ctx context.Context, f serverFlags, cluster *mapjson.Cluster, path string) *T {
	f.Timeout = min(f.Timeout/4, leaderPatience)
	answer := new(T)
	ask := func(addrs ...string) bool {
		f.Server = addrs
		return len(addrs) > 0 && f.firstAnswer(ctx, func(ctx context.Context, server string) error {
			answer = new(T)
			return exchange(ctx, server+path, answer)
		}) == nil
	}
	var all []string
	for _, one := range cluster.Coordinators {
		switch {
		case one.HTTPAddr == "":
		case one.ID == cluster.Leader && ask(one.HTTPAddr):
			return answer
		case one.ID != cluster.Leader:
			all = append(all, one.HTTPAddr)
		}
	}
	if !ask(all...) {
		return nil
	}
	return answer
}

// askCoordinators asks the coordinators something, and changes nothing.
func (f serverFlags) askCoordinators(ctx context.Context, path string, into any) error {
	asked, err := f.coordinators(ctx)
	if err != nil {
		return err
	}
	return asked.firstAnswer(ctx, func(ctx context.Context, server string) error {
		return exchange(ctx, server+path, into)
	})
}

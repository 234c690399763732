package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition"
)

type partitionsCommand struct {
	serverFlags
	Partition string `help:"Only this one: 5 or partition-5." placeholder:"N"`
}

// Run lists the partitions.
func (c *partitionsCommand) Run(ctx context.Context, t *terminal) error {
	only := partition.ID(0)
	if c.Partition != "" {
		id, err := partition.ParseID(c.Partition)
		if err != nil {
			return usage(err)
		}
		only = id
	}
	answer, err := askCluster(ctx, c.serverFlags, (*client.Client).Partitions)
	if err != nil {
		return err
	}
	if c.Partition != "" {
		if int(only) >= len(answer.Partitions) {
			return coded{fmt.Errorf("%v: the cluster has %d partitions", only, len(answer.Partitions)), exitFailure}
		}
		answer.Partitions = answer.Partitions[only : only+1]
	}
	if c.JSON {
		return printJSON(t.out, answer)
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PARTITION\tEPOCH\tPRIMARY\tIN SYNC\tLEARNING\tELIGIBLE")
	for _, p := range answer.Partitions {
		fmt.Fprintf(table, "%v\t%d\t%s\t%s\t%s\t%s\n", p.ID, p.Epoch, dash(string(p.Primary)), list(p.Replicas), list(p.Learners), list(p.Eligible))
	}
	return table.Flush()
}

func list(nodes []partition.NodeID) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = string(n)
	}
	return dash(strings.Join(names, " "))
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

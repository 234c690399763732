package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// grid is what the tables change, one thing at a time: lists of numbers, of
// which the first is what the others are compared with.
type grid struct{ keys, nodes, values string }

// largestFill bounds the bytes of all values together: of large ones there are
// fewer.
const largestFill = 1 << 30

// cell is one cluster to be measured.
type cell struct{ keys, nodes, value int }

// cells lists the clusters: the first of each list together, then each list's
// others.
func (g grid) cells() (out []cell, err error) {
	var lists [3][]int
	for i, text := range [3]string{g.keys, g.nodes, g.values} {
		for _, word := range strings.Split(text, ",") {
			n, err := strconv.Atoi(word)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("table of %q: want numbers above 0", text)
			}
			lists[i] = append(lists[i], n)
		}
	}
	first := cell{lists[0][0], lists[1][0], lists[2][0]}
	out = append(out, first)
	for i, list := range lists {
		for _, n := range list[1:] {
			c := first
			*[3]*int{&c.keys, &c.nodes, &c.value}[i] = n
			c.keys = max(1, min(c.keys, largestFill/c.value))
			out = append(out, c)
		}
	}
	return out, nil
}

// measureTables shows how what an operation costs changes with the number of
// keys, of nodes, and with the size of values. Each cluster is made anew.
func measureTables(ctx context.Context, w io.Writer, p plan, g grid, dir string, nodeFlags []string) error {
	cells, err := g.cells()
	if err != nil {
		return err
	}
	describeMachine(w, dir, p)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nkeys\tnodes\tvalue\toperation\tconnections\trequests/s\tp50\tp99\tCPU µs/op\tmemory\t")
	defer table.Flush()
	for i, c := range cells {
		of := p
		of.keys, of.valueSize = c.keys, c.value
		figures, err := measureCell(ctx, of, c.nodes, filepath.Join(dir, strconv.Itoa(i)), nodeFlags)
		for _, f := range figures {
			if len(f.Rates) > 0 {
				fmt.Fprintf(table, "%d\t%d\t%d B\t%s\t%d\t%.0f\t%.2f ms\t%.2f ms\t%.1f\t%d MiB\t\n",
					c.keys, c.nodes, c.value, f.Operation, f.Connections, f.rate(), f.P50us/1e3, f.P99us/1e3, f.CPUus, f.Memory>>20)
			}
		}
		if err != nil {
			return fmt.Errorf("%d keys of %d bytes on %d nodes: %w", c.keys, c.value, c.nodes, err)
		}
	}
	return nil
}

func measureCell(ctx context.Context, p plan, nodes int, dir string, nodeFlags []string) ([]*figure, error) {
	started, err := startSystems(ctx, []string{"holdfast"}, dir, nodes, nodeFlags)
	defer func() {
		for _, s := range started {
			s.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	return measureAll(ctx, p, started)
}

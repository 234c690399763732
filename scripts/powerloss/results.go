package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
	"github.com/holdfast-io/holdfast/scripts/internal/powerfs"
)

// results is what a run says at its end.
type results struct {
	seed         uint64
	losses       int
	restored     int          // of them with coordinators from a backup
	acknowledged int          // writes, that were checked
	nodes, cores powerfs.Loss // of all losses; cores are the coordinators
	last         string       // the last loss, in words
	took         time.Duration
}

// add counts a loss.
func (r *results) add(lost map[string]powerfs.Loss, c *cluster.Cluster) {
	r.losses++
	var words []string
	for _, m := range c.Members() {
		loss, to := lost[m.Name], &r.cores
		if m.Node {
			to = &r.nodes
		}
		to.Bytes += loss.Bytes
		to.Names += loss.Names
		if loss != (powerfs.Loss{}) {
			words = append(words, fmt.Sprintf("%s %d bytes, %d names", m.Name, loss.Bytes, loss.Names))
		}
	}
	if r.last = strings.Join(words, "; "); r.last == "" {
		r.last = "all was synced"
	}
}

// count counts the acknowledged writes of a history.
func (r *results) count(operations []history.Operation) {
	r.acknowledged = 0
	for i := range operations {
		if operations[i].IsAcknowledged() {
			r.acknowledged++
		}
	}
}

// void reports why a run says nothing.
func (r *results) void() error {
	var errs []error
	if r.cores.Bytes == 0 {
		errs = append(errs, errors.New("void: no coordinator lost a byte"))
	}
	if r.nodes.Bytes == 0 {
		errs = append(errs, errors.New("void: no node lost a byte"))
	}
	if r.acknowledged < 100*r.losses {
		errs = append(errs, fmt.Errorf("void: %d acknowledged writes for %d losses, want at least %d", r.acknowledged, r.losses, 100*r.losses))
	}
	return errors.Join(errs...)
}

func (r *results) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d losses in %.0f s (seed %d), %d with coordinators from an earlier backup; %d acknowledged writes\n\n", r.losses, r.took.Seconds(), r.seed, r.restored, r.acknowledged)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "processes\tunsynced bytes dropped\tunsynced names dropped\t")
	fmt.Fprintf(table, "coordinators\t%d\t%d\t\n", r.cores.Bytes, r.cores.Names)
	fmt.Fprintf(table, "nodes\t%d\t%d\t\n", r.nodes.Bytes, r.nodes.Names)
	table.Flush()
}

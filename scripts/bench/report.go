package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// describeMachine prints what the figures depend on.
func describeMachine(w io.Writer, dir string, p plan) {
	fmt.Fprintf(w, "%d cores, %s, fsync of 4 KiB takes %v; servers and load generator share the machine\n",
		runtime.NumCPU(), runtime.Version(), fsyncTime(dir).Round(time.Microsecond))
	fmt.Fprintf(w, "%d keys of %d bytes; every figure from %d interleaved rounds of %v; others stopped meanwhile\n",
		p.keys, p.valueSize, p.rounds, p.duration)
}

// fsyncTime is the median of a few synced writes in the directory; 0 if it
// cannot be told.
func fsyncTime(dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	block := make([]byte, 4096)
	for range 21 {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0
		}
		if err := f.Sync(); err != nil {
			return 0
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// progress tells of a finished row while the rest is measured.
func progress(w io.Writer, row []*figure) {
	fmt.Fprintf(w, "  %s at %d:", row[0].Operation, row[0].Connections)
	for _, f := range row {
		fmt.Fprintf(w, "  %s %.0f/s", f.System, f.rate())
	}
	fmt.Fprintln(w)
}

// report prints the table; figures may end early.
func report(w io.Writer, p plan, systems []*system, figures []*figure) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\noperation\tconnections\tsystem\trequests/s\tspread\tp50\tp99\tCPU µs/op\tmemory\tagainst etcd\t")
	for start := 0; start < len(figures); start += len(systems) {
		row := figures[start : start+len(systems)]
		etcd := 0.0
		for _, f := range row {
			if f.System == "etcd" {
				etcd = f.rate()
			}
		}
		for _, f := range row {
			if len(f.Rates) == 0 {
				continue
			}
			ratio := ""
			if etcd > 0 && f.System != "etcd" {
				ratio = fmt.Sprintf("%.2fx", f.rate()/etcd)
			}
			spread := (slices.Max(f.Rates) - slices.Min(f.Rates)) / f.rate() * 100
			fmt.Fprintf(table, "%s\t%d\t%s\t%.0f\t%.0f%%\t%s\t%s\t%.1f\t%d MiB\t%s\t\n", f.Operation, f.Connections, f.System,
				f.rate(), spread, milliseconds(f.P50us), milliseconds(f.P99us), f.CPUus, f.Memory>>20, ratio)
		}
	}
	table.Flush()
}

func milliseconds(us float64) string { return fmt.Sprintf("%.2f ms", us/1000) }

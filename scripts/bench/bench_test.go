package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

func TestReportShowsRatiosAgainstEtcd(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	systems := []*system{{name: "holdfast"}, {name: "etcd"}}
	report(&out, plan{}, systems, []*figure{
		{System: "holdfast", Operation: "PUT", Connections: 64, Rates: []float64{29000, 31000, 30000}, P50us: 1500, CPUus: 20, Memory: 5 << 20},
		{System: "etcd", Operation: "PUT", Connections: 64, Rates: []float64{10000}},
		{System: "holdfast", Operation: "GET", Connections: 64}, // the run ended here
		{System: "etcd", Operation: "GET", Connections: 64},
	})
	for _, want := range []string{"30000", "3.00x", "1.50 ms", "20.0", "5 MiB", "7%"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "GET") {
		t.Errorf("a row without a measurement:\n%s", &out)
	}
}

func TestCPUTimeAndMemoryOfAProcess(t *testing.T) {
	t.Parallel()
	p := &cluster.Process{Name: "busy", Args: []string{"bash", "-c", "while :; do :; done"}, Log: filepath.Join(t.TempDir(), "log")}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.End(time.Second)
	processes := []*cluster.Process{p}
	for used := time.Duration(0); used < 5*tick; {
		var err error
		if used, err = cpuTime(processes); err != nil {
			t.Fatal(err)
		}
	}
	if resident, err := memory(processes); err != nil || resident < 1<<20 {
		t.Errorf("memory %d, %v", resident, err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := cpuTime(processes); err == nil {
		t.Error("a process that is gone has no CPU time")
	}
}

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// tick is the unit of CPU time in /proc: USER_HZ, 100 a second on every Linux.
const tick = 10 * time.Millisecond

// cpuTime is what the processes have used so far, all threads, user and system.
func cpuTime(processes []*cluster.Process) (time.Duration, error) {
	var sum time.Duration
	for _, p := range processes {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			return 0, fmt.Errorf("CPU time of %s: %w", p.Name, err)
		}
		// The name in parentheses may hold anything; fields count from behind it.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) < 13 {
			return 0, fmt.Errorf("CPU time of %s: %q", p.Name, b)
		}
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("CPU time of %s: %w", p.Name, err)
			}
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}

// memory is the resident memory of the processes together, in bytes.
func memory(processes []*cluster.Process) (int64, error) {
	var sum int64
	for _, p := range processes {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		if err != nil {
			return 0, fmt.Errorf("memory of %s: %w", p.Name, err)
		}
		_, rest, ok := strings.Cut(string(b), "VmRSS:")
		fields := strings.Fields(rest)
		if !ok || len(fields) == 0 {
			return 0, fmt.Errorf("memory of %s: no VmRSS", p.Name)
		}
		kib, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("memory of %s: %w", p.Name, err)
		}
		sum += kib << 10
	}
	return sum, nil
}

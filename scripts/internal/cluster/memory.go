package cluster

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
)

// Memory returns how much of the process's memory is resident, in bytes (VmRSS).
func (p *Process) Memory() (int64, error) {
	proc, err := procfs.NewProc(p.PID())
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.Name, err)
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", p.Name, err)
	}
	return int64(status.VmRSS), nil
}

// CPU returns what the process has used so far, all threads, user and system.
func (p *Process) CPU() (time.Duration, error) {
	proc, err := procfs.NewProc(p.PID())
	if err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", p.Name, err)
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", p.Name, err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second)), nil
}

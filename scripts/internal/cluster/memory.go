package cluster

import (
	"fmt"

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

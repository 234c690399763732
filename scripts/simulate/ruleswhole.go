package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tryWhole returns how many rounds of whole nodes it took to notice something, 0 if
// nothing was. A program that panics has noticed it too.
func (c *rulesCheck) tryWhole(program string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.seeds)*2*time.Minute)
	defer cancel()
	dir := filepath.Join(c.dir, "rounds")
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0
	}
	out, err := exec.CommandContext(ctx, program, "-rounds", strconv.FormatUint(c.seeds, 10), "-dir", dir).Output()
	if err == nil || ctx.Err() != nil {
		return 0
	}
	ended, reported := 0, false // rounds; that the last of them found something
	for line := range strings.Lines(string(out)) {
		var seed uint64
		if n, _ := fmt.Sscanf(line, "seed %d: %d nodes", &seed, new(int)); n == 2 {
			ended++
		}
		reported = reported || strings.HasPrefix(line, "FAILED: seed ")
	}
	if !reported {
		ended++
	}
	return ended
}

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/overlay"
)

// rulesCheck is how the table is gone through.
type rulesCheck struct {
	only   string // rules that begin so; empty: all
	seeds  uint64 // most schedules of a try
	tries  int    // each with fresh seeds
	quick  bool   // no schedules for a rule whose scenario fails without it
	sample int    // so many of them, drawn at random; 0: all, and the control
	whole  bool   // rounds of whole nodes in place of schedules
	dir    string
	result io.Writer
}

// run builds the simulator once without each rule of the table, leaving the
// sources alone, and counts the schedules until the rule's absence shows. So it
// tells whether the simulator could notice at all that a rule is broken. It
// writes a table for people.
func (c *rulesCheck) run() (err error) {
	if c.dir, err = os.MkdirTemp("", "simulate-rules-"); err != nil {
		return fmt.Errorf("check rules: %w", err)
	}
	defer os.RemoveAll(c.dir)
	fmt.Fprintf(c.result, "| left out | noticed in | median schedules | scenario |\n|---|---|---|---|\n")
	unnoticed := 0
	for _, r := range c.chosen() {
		found, err := c.check(&r)
		if err != nil {
			return fmt.Errorf("check rule %s: %w", r.name, err)
		}
		fmt.Fprintln(c.result, found.row(&r, c.tries))
		if found.unnoticed(&r, c.tries) {
			unnoticed++
		}
	}
	if unnoticed > 0 {
		return fmt.Errorf("the absence of %d rules was not noticed, or the control failed", unnoticed)
	}
	return nil
}

// chosen are the rules to leave out.
func (c *rulesCheck) chosen() []rule {
	all := allRules()
	if c.sample > 0 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return all[:min(c.sample, len(all))]
	}
	all = append([]rule{{name: "(nothing: the control)"}}, all...)
	return slices.DeleteFunc(all, func(r rule) bool { return !strings.HasPrefix(r.name, c.only) })
}

// verdict is what became of a rule that was left out.
type verdict struct {
	schedules []int // until it was noticed, for each try that did
	scenario  bool  // its scenario failed
	simulated bool  // the simulator has what the rule is about
	skipped   bool  // the scenario was enough
}

func (v *verdict) row(r *rule, tries int) string {
	seeds, median, scenario := "not simulated", "", ""
	if v.simulated {
		seeds = fmt.Sprintf("%d of %d", len(v.schedules), tries)
		if n := len(v.schedules); n > 0 {
			slices.Sort(v.schedules)
			median = strconv.Itoa(v.schedules[n/2])
		}
	}
	if v.skipped {
		seeds = "not searched"
	}
	switch {
	case r.test.name == "":
	case v.scenario:
		scenario = "`" + r.test.name + "`"
	default:
		scenario = "`" + r.test.name + "` DOES NOT FAIL"
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", r.name, seeds, median, scenario)
}

// unnoticed reports whether the rule could be left out unseen: every try must
// notice it, or its scenario.
func (v *verdict) unnoticed(r *rule, tries int) bool {
	if len(r.edits) == 0 {
		return len(v.schedules) > 0
	}
	return len(v.schedules) < tries && !v.scenario
}

func (c *rulesCheck) check(r *rule) (v verdict, err error) {
	edited, err := r.overlay(c.dir)
	if err != nil {
		return v, err
	}
	if r.test.name != "" {
		out, err := exec.Command("go", "test", "-overlay", edited, "-run", "^"+r.test.name+"$", "./"+r.test.pkg).CombinedOutput()
		if v.scenario = err != nil && strings.Contains(string(out), "--- FAIL"); err != nil && !v.scenario {
			return v, fmt.Errorf("its scenario: %w\n%s", err, out)
		}
	}
	if v.skipped = c.quick && v.scenario; v.skipped {
		return v, nil
	}
	for _, e := range r.edits {
		v.simulated = v.simulated || c.whole || simulated(e.file)
	}
	if v.simulated = v.simulated || len(r.edits) == 0; !v.simulated {
		return v, nil
	}
	program, source, try := filepath.Join(c.dir, "simulate"), "./scripts/simulate", c.try
	if c.whole {
		source, try = "./scripts/wholenode", c.tryWhole
	}
	if out, err := exec.Command("go", "build", "-overlay", edited, "-o", program, source).CombinedOutput(); err != nil {
		return v, fmt.Errorf("build without it: %w\n%s", err, out)
	}
	for range c.tries {
		if n := try(program); n > 0 {
			v.schedules = append(v.schedules, n)
		}
	}
	return v, nil
}

// simulated reports whether the simulator runs what is in the file.
func simulated(file string) bool {
	for _, dir := range []string{replicaDir, routingDir, simulationDir, stateDir, "coordinator/liveness/", "coordinator/rebalance/", "partition/", "dataplane/entry/"} {
		if strings.HasPrefix(file, dir) {
			return true
		}
	}
	return false
}

// try returns how many schedules it took to notice something, 0 if nothing was.
func (c *rulesCheck) try(program string) int {
	from := uint64(time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	out, _ := exec.CommandContext(ctx, program, "-from", strconv.FormatUint(from, 10),
		"-seeds", strconv.FormatUint(c.seeds, 10), "-stop", "1", "-raw").Output() // it fails where it finds something
	first := 0
	for line := range strings.Lines(string(out)) {
		var seed uint64
		if n, _ := fmt.Sscanf(line, "seed %d:", &seed); n == 1 && (first == 0 || int(seed-from)+1 < first) {
			first = int(seed-from) + 1
		}
	}
	return first
}

// overlay writes the sources without the rule, and returns the file that tells
// the compiler of them.
func (r *rule) overlay(dir string) (string, error) {
	edits := make([]overlay.Edit, len(r.edits))
	for i, e := range r.edits {
		edits[i] = overlay.Edit{File: e.file, Old: e.old, New: e.new}
	}
	return overlay.Write(dir, edits)
}

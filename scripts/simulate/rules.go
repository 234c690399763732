package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// checkRules builds the simulator once without each rule of the table, leaving
// the sources alone, and counts the schedules until the rule's absence shows. It
// tells whether the simulator could notice at all that a rule is broken.
func checkRules(only string, seeds uint64, minutes float64) error {
	dir, err := os.MkdirTemp("", "simulate-rules-")
	if err != nil {
		return fmt.Errorf("check rules: %w", err)
	}
	defer os.RemoveAll(dir)
	unnoticed := 0
	for _, r := range rules {
		if only != "" && !strings.HasPrefix(r.name, only) {
			continue
		}
		found, err := r.check(dir, seeds, minutes)
		if err != nil {
			return fmt.Errorf("check rule %s: %w", r.name, err)
		}
		if !strings.HasPrefix(found, "seed") {
			unnoticed++
		}
		fmt.Printf("%-34s %s\n", r.name, found)
	}
	if unnoticed > 0 {
		return fmt.Errorf("the absence of %d rules was not noticed", unnoticed)
	}
	return nil
}

// check returns the first failure of schedules without the rule.
func (r *rule) check(dir string, seeds uint64, minutes float64) (string, error) {
	program := filepath.Join(dir, "simulate")
	overlay := filepath.Join(dir, "overlay.json")
	replace := map[string]string{}
	for i, e := range r.edits {
		source, err := filepath.Abs(e.file)
		if err != nil {
			return "", err
		}
		broken, again := replace[source]
		if !again {
			broken = filepath.Join(dir, fmt.Sprintf("broken%d.go", i))
			replace[source] = broken
		}
		if err := e.apply(source, broken, again); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", program, "./scripts/simulate").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build without it: %w\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration((minutes+1)*float64(time.Minute)))
	defer cancel()
	out, _ := exec.CommandContext(ctx, program, "-from", "1", "-seeds", strconv.FormatUint(seeds, 10),
		"-minutes", fmt.Sprint(minutes), "-stop", "1").Output() // it fails where it finds something
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "seed ") {
			return strings.TrimSpace(line), nil
		}
	}
	return "not noticed: " + lastLine(string(out)), nil
}

// apply writes the source with the edit to another file, which has an earlier
// edit already where again is set.
func (e *edit) apply(source, broken string, again bool) error {
	from := source
	if again {
		from = broken
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		return fmt.Errorf("%s has the rule's text %d times, want once: the table is out of date: %q", e.file, n, e.old)
	}
	return os.WriteFile(broken, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600)
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

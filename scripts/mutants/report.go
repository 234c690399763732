package main

import (
	"errors"
	"fmt"
	"io"
)

// print writes the row of one change as soon as it is known.
func (c *check) print(m *mutant, o *outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	noticed, by := "yes", o.by
	switch {
	case o.err != nil:
		noticed, by = "ERROR", o.err.Error()
	case !o.noticed && m.unnoticed == "":
		noticed, by = "NO", ""
	case !o.noticed:
		noticed, by = "no", m.unnoticed
	case m.unnoticed != "":
		by += " (not expected)"
	}
	fmt.Fprintf(c.result, "| %s | %s | %s | %s | %.0f |\n", m.pkg(), m.name, noticed, by, o.took.Seconds())
}

// summarize writes how many changes of each package were noticed. It returns an
// error if one was not that should be, or if a run proved nothing.
func summarize(w io.Writer, all []mutant, outcomes []outcome) error {
	type count struct{ planted, noticed, excused int }
	var packages []string
	counts := map[string]*count{}
	missed, total, failures := 0, count{}, []error(nil)
	for i := range all {
		m, o := &all[i], &outcomes[i]
		n := counts[m.pkg()]
		if n == nil {
			n = &count{}
			counts[m.pkg()] = n
			packages = append(packages, m.pkg())
		}
		n.planted++
		switch {
		case o.err != nil:
			failures = append(failures, fmt.Errorf("%s: %s: %w", m.pkg(), m.name, o.err))
		case o.noticed:
			n.noticed++
		case m.unnoticed != "":
			n.excused++
		default:
			missed++
		}
	}
	fmt.Fprint(w, "\n| package | planted | noticed | not noticed, with a reason |\n|---|---|---|---|\n")
	for _, pkg := range packages {
		n := counts[pkg]
		fmt.Fprintf(w, "| %s | %d | %d | %d |\n", pkg, n.planted, n.noticed, n.excused)
		total.planted, total.noticed, total.excused = total.planted+n.planted, total.noticed+n.noticed, total.excused+n.excused
	}
	fmt.Fprintf(w, "| all | %d | %d | %d |\n", total.planted, total.noticed, total.excused)
	if missed > 0 {
		failures = append(failures, fmt.Errorf("%d changes were not noticed", missed))
	}
	return errors.Join(failures...)
}

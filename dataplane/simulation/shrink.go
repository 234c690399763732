package simulation

import "slices"

// Shrink cuts a failing schedule to the faults that it takes to fail: it leaves
// out ever smaller runs of them as long as some promise is still broken (delta
// debugging, Zeller and Hildebrandt 2002). It returns the last schedule that
// failed, whose Faults are those that are left, and how many schedules it ran.
// What a profile does all the time, to messages and disks, stays.
func Shrink(o Options) (r Result, runs int) { return shrink(o, nil) }

func shrink(o Options, adjust func(w *world)) (r Result, runs int) {
	o.Trace = false
	r = run(o, adjust)
	if r.Failure == "" {
		return r, 1
	}
	runs = 1
	keep := numbers(r.Faults)
	for size := max(1, len(keep)/2); len(keep) > 0; {
		shrunk := false
		for at := 0; at < len(keep); {
			o.Keep = slices.Concat(keep[:at], keep[min(at+size, len(keep)):])
			without := run(o, adjust)
			runs++
			if without.Failure == "" {
				at += size
				continue
			}
			// What comes behind the failure is not needed either.
			r, keep, shrunk = without, numbers(without.Faults), true
		}
		if size == 1 && !shrunk {
			break
		}
		size = max(1, size/2)
	}
	return r, runs
}

func numbers(faults []Fault) []int {
	n := make([]int, 0, len(faults)) // not nil, which would mean all
	for _, f := range faults {
		n = append(n, f.Number)
	}
	return n
}

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-io/holdfast/dataplane/simulation"
)

// replay runs one schedule and shows what happened.
func replay(o simulation.Options, lines int) error {
	r := simulation.Run(o)
	for _, line := range r.Trace[max(0, len(r.Trace)-lines):] {
		fmt.Println(line)
	}
	fmt.Printf("seed %d, hash %016x\n", o.Seed, r.Hash)
	if r.Failure != "" {
		return fmt.Errorf("seed %d: %s", o.Seed, r.Failure)
	}
	return nil
}

// shrinkOne shows the few faults that a failing schedule needs.
func shrinkOne(o simulation.Options) error {
	r, runs := simulation.Shrink(o)
	if r.Failure == "" {
		fmt.Printf("seed %d breaks no promise\n", o.Seed)
		return nil
	}
	fmt.Printf("%d schedules run; %d faults are left:\n", runs, len(r.Faults))
	for _, f := range r.Faults {
		fmt.Printf("%10.6f s  fault %d: %s\n", f.At.Seconds(), f.Number, f.What)
	}
	fmt.Println("replay:", r.Replay())
	return fmt.Errorf("seed %d: %s", o.Seed, r.Failure)
}

// faultList reads the numbers of -faults; nil means all.
func faultList(text string) ([]int, error) {
	switch text {
	case "":
		return nil, nil
	case "none":
		return []int{}, nil
	}
	var list []int
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("-faults %q: want numbers with commas between, or none", text)
		}
		list = append(list, n)
	}
	return list, nil
}

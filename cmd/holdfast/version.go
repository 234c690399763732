package main

import (
	"fmt"
	"runtime"
)

type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints what was built, and with which Go.
func (c *versionCommand) Run(t *terminal) error {
	if c.JSON {
		return printJSON(t.out, map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	_, err := fmt.Fprintf(t.out, "holdfast %s, built with %s for %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

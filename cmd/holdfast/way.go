package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

// inWords tells the way of a request as its Holdfast-Route says it, which looks
// like "n4 > n2 (primary) > n1, n3": received by n4, which is none of
// partition-12's replicas; forwarded to n2, its primary; stored there and on n1
// and n3; 1.2 ms.
func inWords(w client.Way, wrote bool) string {
	route, _ := w.Parse()
	received := "received by " + w.Node
	switch w.Role {
	case "primary":
		received += ", " + w.Partition + "'s primary"
	case "replica":
		received += ", one of " + w.Partition + "'s replicas"
	case "none":
		received += ", which is none of " + w.Partition + "'s replicas"
	}
	parts := []string{received}
	if route.Server != "" && route.Server != w.Node {
		parts = append(parts, "forwarded to "+route.Server+", its primary")
	}
	switch {
	case wrote && len(route.Stored) > 0:
		parts = append(parts, "stored there and on "+and(route.Stored))
	case wrote:
		parts = append(parts, "stored there")
	case route.Role == "replica":
		parts = append(parts, "read from its own copy")
	default:
		parts = append(parts, "read there")
	}
	if w.Attempts > 1 {
		parts = append(parts, fmt.Sprintf("%d servers were asked", w.Attempts))
	}
	return strings.Join(append(parts, milliseconds(w.Took)), "; ")
}

// and joins names as one says them: "n1, n3 and n5".
func and(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

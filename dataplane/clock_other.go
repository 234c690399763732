//go:build !linux

package dataplane

import "time"

// started anchors the clock; readings are never compared between processes.
var started = time.Now()

// steadyNanoseconds is the runtime's monotonic clock. On macOS and Windows it
// goes on during sleep in some versions only: production nodes run on Linux.
func steadyNanoseconds() int64 { return int64(time.Since(started)) + 1 }

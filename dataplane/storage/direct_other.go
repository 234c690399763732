//go:build !linux

package storage

import "os"

// openDirect would open a file for reads past the system's cache.
func openDirect(*os.File) *os.File { return nil }

// dropCached would have the system forget what it has of a file.
func dropCached(*os.File) {}

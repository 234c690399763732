package main

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/holdfast-io/holdfast/dataplane/storage/faultfiles"
)

// errPowerLost is the result of every operation on a disk after its node crashed.
var errPowerLost = errors.New("the power is lost")

// disk is the disk below one start of a node's log: it can fail, stall, and lose
// what was not synced.
type disk struct {
	*faultfiles.Files
	lost    atomic.Bool // the power
	failing atomic.Bool // writes and syncs fail

	mu      sync.Mutex
	stalled chan struct{} // closed when the stall ends; nil without one
}

func newDisk() *disk {
	d := &disk{Files: faultfiles.New()}
	d.At = d.before
	return d
}

// before is called before each operation.
func (d *disk) before(operation string) error {
	if operation == "sync" {
		d.mu.Lock()
		stalled := d.stalled
		d.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
	}
	switch {
	case d.lost.Load():
		return errPowerLost
	case d.failing.Load() && (operation == "write" || operation == "sync"):
		return syscall.EIO
	}
	return nil
}

// stall has syncs wait until the returned function is called.
func (d *disk) stall() (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	stalled := make(chan struct{})
	d.stalled = stalled
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stalled = nil
		close(stalled)
	}
}

// loseUnsynced takes from a directory what was written and not synced, or some of
// it. Nothing may have its files open.
func (d *disk) loseUnsynced(dir string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 2))
	kept := random.IntN(5) // of four sectors
	return d.Forget(dir, dir, func() bool { return random.IntN(4) < kept })
}

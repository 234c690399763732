package powerfs

import (
	"cmp"
	"errors"
	"slices"
)

// Loss says what a process lost that was not synced.
type Loss struct {
	Bytes int64 // written or cut off
	Names int   // made, renamed or removed
}

// Cut is the instant at which the power fails. From then on no operation changes
// anything or returns, so no process can act on more than it knew before. Kill
// them all, and then call Lose: a process that waits in an operation ends only
// when that returns.
func (f *FS) Cut() { f.gate.turn(cut, nil) }

// Lose drops what was not synced at the instant of Cut, of all processes. It has
// all operations fail that wait or come, until Restore. survives, if set, is
// asked for each sector and each name that was not synced whether the disk has
// it nevertheless; nil: nothing survives.
func (f *FS) Lose(survives func() bool) (losses map[string]Loss, err error) {
	if survives == nil {
		survives = func() bool { return false }
	}
	losses = map[string]Loss{}
	f.gate.turn(off, func() { err = f.lose(survives, losses) })
	return losses, err
}

// Restore turns the power on. All processes from before must have ended.
func (f *FS) Restore() { f.gate.turn(on, nil) }

func (f *FS) lose(survives func() bool, losses map[string]Loss) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, i := range f.inOrder() {
		loss := losses[i.top]
		loss.Names += i.loseNames(survives)
		if !i.isDir() {
			i.mu.Lock()
			if i.mu.content != nil {
				bytes, err := i.loseContent(survives)
				errs, loss.Bytes = append(errs, err), loss.Bytes+bytes
			}
			i.mu.Unlock()
		}
		losses[i.top] = loss
	}
	f.renumber()
	return errors.Join(errs...)
}

// inOrder returns all inodes, so that a seed gives the same survivors. Called
// with FS.mu held.
func (f *FS) inOrder() []*inode {
	var all []*inode
	for i := range f.mu.all {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *inode) int { return cmp.Compare(a.number, b.number) })
	return all
}

// renumber counts names anew, gives each inode that has one a new number, and
// frees the others. Called with FS.mu held.
func (f *FS) renumber() {
	all := f.inOrder()
	reached := map[*inode]bool{f.mu.root: true}
	reach := []*inode{f.mu.root}
	for _, i := range all {
		i.links, i.pinned = 0, 0
	}
	f.mu.root.links = 1
	for len(reach) > 0 {
		dir := reach[0]
		reach = reach[1:]
		for name, i := range dir.names {
			i.links++
			i.parent, i.name = dir, name
			if !reached[i] {
				reached[i] = true
				reach = append(reach, i)
			}
		}
	}
	for _, i := range all {
		if reached[i] && i != f.mu.root {
			f.mu.last++
			i.number = f.mu.last
		}
	}
	for _, i := range all {
		if !reached[i] {
			clear(i.names)
			f.release(i)
		}
	}
}

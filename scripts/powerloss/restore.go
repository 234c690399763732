package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// The map that nodes have adopted is on their disks too: with coordinators from an
// old backup nothing that was acknowledged may be lost. So now and then a loss takes
// their directories, and older ones take their place. All processes have ended, and
// the power is back.

// beforeStart makes a backup of the coordinators' directories, or puts the last one
// in their place, as the loss's number says.
func (p *power) beforeStart(ctx context.Context) (restored bool, err error) {
	if p.restore == 0 {
		return false, nil
	}
	if p.backup != "" && p.results.losses%p.restore == 0 {
		return true, p.putBack(ctx)
	}
	if p.backup == "" || p.results.losses%p.restore == p.restore/2 {
		return false, p.backUp()
	}
	return false, nil
}

func (p *power) backUp() error {
	p.backup = filepath.Join(p.dir, "backup")
	if err := os.RemoveAll(p.backup); err != nil {
		return err
	}
	for _, m := range p.cluster.Coordinators {
		if err := os.CopyFS(filepath.Join(p.backup, m.Name), os.DirFS(m.Data)); err != nil {
			return fmt.Errorf("%w: back up %s: %w", errHarness, m.Name, err)
		}
	}
	return nil
}

// putBack restores the backup, as an operator does it: durably, and marked.
func (p *power) putBack(ctx context.Context) error {
	p.tell("the coordinators' directories come from an earlier backup")
	for _, m := range p.cluster.Coordinators {
		err := errors.Join(m.Wipe(), os.CopyFS(m.Data, os.DirFS(filepath.Join(p.backup, m.Name))), syncAll(m.Data), syncPath(filepath.Dir(m.Data)))
		if err != nil {
			return fmt.Errorf("%w: restore %s: %w", errHarness, m.Name, err)
		}
		out, err := exec.CommandContext(ctx, p.binary, "coordinators", "mark-restored", "--data-dir", m.Data).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: mark %s as restored: %w: %s", errHarness, m.Name, err, out)
		}
	}
	p.results.restored++
	return nil
}

// recoverMap has the coordinators go on from what the nodes have adopted, once all
// of these have reported.
func (p *power) recoverMap(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	args := []string{"recover-map", "--yes"}
	for _, m := range p.cluster.Coordinators {
		args = append(args, "--server", m.HTTP)
	}
	var last error // that says more than that the time is up
	return p.cluster.Wait(ctx, "the map to be recovered", func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, p.binary, args...).CombinedOutput()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = fmt.Errorf("recover-map: %w: %s", err, out)
		}
		return last
	})
}

func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, syncPath(path))
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

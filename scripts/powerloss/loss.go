package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/powerfs"
)

// lose loses the power at a random moment, and now and then once more while the
// processes start.
func (p *power) lose(ctx context.Context) error {
	p.sleep(ctx, 300*time.Millisecond, 2*time.Second)
	if err := p.harm(ctx); err != nil {
		return err
	}
	for {
		if err := p.blackout(ctx); err != nil {
			return err
		}
		if p.random.IntN(5) > 0 || ctx.Err() != nil {
			return nil
		}
		p.sleep(ctx, 0, 2*time.Second)
	}
}

// harm kills a process shortly before a loss, now and then, so that a change of
// the map is under way.
func (p *power) harm(ctx context.Context) error {
	var m *cluster.Member
	switch p.random.IntN(6) {
	case 0:
		m = p.cluster.Nodes[p.random.IntN(len(p.cluster.Nodes))]
	case 1:
		m = p.cluster.Coordinators[p.random.IntN(len(p.cluster.Coordinators))]
	default:
		return nil
	}
	p.tell("kill -9 %s", m.Name)
	if err := m.Kill(); err != nil {
		return err
	}
	p.sleep(ctx, 0, 1500*time.Millisecond)
	return nil
}

// blackout is one loss, and the start of all processes after it.
func (p *power) blackout(ctx context.Context) error {
	release := p.hold()
	p.sleep(ctx, 0, 100*time.Millisecond)
	p.files.Cut()
	ended := p.cluster.Kill()
	share := []float64{0, 0, 0, 0.1, 0.5, 0.9}[p.random.IntN(6)] // of what is not synced the disk has
	lost, err := p.files.Lose(func() bool { return share > 0 && p.random.Float64() < share })
	ended()
	release()
	if err != nil {
		return fmt.Errorf("%w: lose what is not synced: %w", errHarness, err)
	}
	if err := p.deserters(); err != nil {
		return err
	}
	p.results.add(lost, p.cluster)
	p.tell("power loss %d: %s", p.results.losses, p.results.last)
	p.files.Restore()
	restored, err := p.beforeStart(ctx)
	if err != nil {
		return err
	}
	if err := p.cluster.Start(); err != nil || !restored {
		return err
	}
	return p.recoverMap(ctx)
}

// deserters finds processes that ended before they were killed.
func (p *power) deserters() error {
	for _, m := range p.cluster.Members() {
		if code := m.ExitCode(); code != -1 {
			return fmt.Errorf("%s ended by itself, with %d:\n%s", m.Name, code, m.LogTail(30))
		}
	}
	return nil
}

// hold has no sync return from now on, of some processes: a disk may hang a little
// before the power is gone, and has more to lose then.
func (p *power) hold() (release func()) {
	var releases []func()
	for _, m := range p.cluster.Members() {
		if p.random.IntN(3) > 0 {
			releases = append(releases, p.files.Faults(m.Name).Hold(powerfs.Sync))
		}
	}
	return func() {
		for _, release := range releases {
			release()
		}
	}
}

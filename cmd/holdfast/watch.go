package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// watchEvery is how often a command that waits asks how far it is.
const watchEvery = 300 * time.Millisecond

// watch shows what moves until nothing does any more.
func (c *movesCommand) watch(ctx context.Context, t *terminal) error {
	shown := newMovesShown(t.out)
	defer shown.end()
	for quiet := 0; quiet < 3; {
		moves, err := c.moves(ctx)
		if err != nil {
			return err
		}
		shown.show(moves)
		left := len(moves.Moves)
		if r := moves.Rebalance; left == 0 && !r.Paused && r.AtOnce > 0 && r.AtOnceEach > 0 {
			// The throttle may let none begin for a while.
			var plan mapjson.Plan
			if err := c.askCoordinators(ctx, "/v1/plan", &plan); err != nil {
				return err
			}
			left = plan.Underway + len(plan.Moves)
		}
		if quiet++; left > 0 {
			quiet = 0
		}
		if err := pauseFor(ctx, watchEvery); err != nil {
			return err
		}
	}
	shown.end()
	_, err := fmt.Fprintln(t.out, "Nothing moves any more.")
	return err
}

// pauseFor waits, unless ctx ends before.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// movesShown shows moves: with bars on a terminal, else with a line when one
// begins and one when it ends.
type movesShown struct {
	w     io.Writer
	bars  *mpb.Progress // nil: no terminal
	under map[partition.ID]*moveShown
}

type moveShown struct {
	move mapjson.Move
	pace pace
	bar  *mpb.Bar
	text atomic.Pointer[string] // for the goroutine that draws
}

func newMovesShown(w io.Writer) *movesShown {
	s := &movesShown{w: w, under: map[partition.ID]*moveShown{}}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(40), mpb.WithAutoRefresh())
	}
	return s
}

// show brings what is shown up to date.
func (s *movesShown) show(moves mapjson.Moves) {
	now := map[partition.ID]bool{}
	for _, v := range moves.Moves {
		now[v.Partition] = true
		known := s.under[v.Partition]
		if known != nil && known.move.Since != v.Since {
			s.ended(known)
			known = nil
		}
		if known == nil {
			known = &moveShown{move: v}
			s.under[v.Partition] = known
			s.begun(known)
		}
		known.move = v
		text := v.Step
		if done := progressOf(v); done != "-" {
			text += " " + done + known.pace.at(time.Now(), v.Progress)
		}
		known.text.Store(&text)
		if known.bar != nil {
			done, all := known.pace.share(v.Progress)
			known.bar.SetTotal(max(1, all), false)
			known.bar.SetCurrent(done)
		}
	}
	for id, known := range s.under {
		if !now[id] {
			s.ended(known)
			delete(s.under, id)
		}
	}
}

func (s *movesShown) begun(v *moveShown) {
	if s.bars == nil {
		fmt.Fprintf(s.w, "%v begins: %s\n", v.move.Move, v.move.Reason)
		return
	}
	text := v.move.String()
	v.bar = s.bars.AddBar(0,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(text, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *v.text.Load() }, decor.WCSyncSpaceR)),
	)
}

func (s *movesShown) ended(v *moveShown) {
	if v.bar != nil {
		v.bar.SetTotal(-1, true)
		return
	}
	fmt.Fprintf(s.w, "%v has ended\n", v.move.Move)
}

// end takes all bars away.
func (s *movesShown) end() {
	for id, v := range s.under {
		if v.bar != nil {
			v.bar.Abort(true)
		}
		delete(s.under, id)
	}
	if s.bars != nil {
		s.bars.Wait()
		s.bars = nil
	}
}

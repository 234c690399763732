package client

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// ErrNotPrimary says that this start of this node is not the partition's primary.
var ErrNotPrimary = errors.New("this node is not the partition's primary")

// proposeAgain is how often the changes that this node wants as a primary are
// proposed, until the map shows another epoch.
const proposeAgain = 250 * time.Millisecond

// leading has the partitions that this start is primary of and does something for:
// writes, or a learner that asks. It proposes what they need.
type leading struct {
	c     *Client
	wake  chan struct{} // a partition may have something to propose
	still chan struct{} // a partition that is to be handed over has no open write
	mu    struct {
		sync.Mutex
		of       map[partition.ID]*leadership
		last     map[partition.ID]uint64 // sequence given last, of those that are over
		takeover TakeoverHook
		untold   bool // that there is no take-over hook was not logged yet
	}
}

func (l *leading) init(c *Client) {
	l.c = c
	l.wake, l.still = make(chan struct{}, 1), make(chan struct{}, 1)
	l.mu.of = make(map[partition.ID]*leadership)
	l.mu.last = make(map[partition.ID]uint64)
	l.mu.untold = !c.config.NothingToCopy
}

func (l *leading) poke() { signal(l.wake) }

// signal wakes the goroutine that reads from a channel with room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take looks at a new map: which leaderships go on, and which are over.
func (l *leading) take(v *view) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, one := range l.mu.of {
		if _, placed := v.m.Partition(id); !placed || !one.advance(l.c.found.partition(v, id)) {
			l.remove(id, one)
		}
	}
	if len(l.mu.of) > 0 {
		l.poke()
	}
}

// remove ends a leadership; the caller holds mu.
func (l *leading) remove(id partition.ID, one *leadership) {
	l.mu.last[id] = one.end()
	delete(l.mu.of, id)
}

// leadership is what this start leads a partition with in the newest map; an
// ErrNotPrimary where it does not, an ErrFenced where this program is no node any more.
func (l *leading) leadership(id partition.ID) (*leadership, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.c.current.Load() // before the look at fenced, which is set before the map is
	if err := l.c.Fenced(); err != nil {
		return nil, fmt.Errorf("%v: %w", id, err)
	}
	if _, placed := v.m.Partition(id); !placed {
		return nil, fmt.Errorf("%v: %w", id, ErrNotPlaced)
	}
	p := l.c.found.partition(v, id)
	one := l.mu.of[id]
	if one != nil && !one.advance(p) { // the map is newer than what take saw
		l.remove(id, one)
		one = nil
	}
	if !l.c.isSelf(p.primary) {
		return nil, fmt.Errorf("%v at epoch %d: %w", id, p.Epoch, ErrNotPrimary)
	}
	if one == nil {
		one = newLeadership(l.c, v, p, l.mu.last[id])
		l.mu.of[id] = one
	}
	return one, nil
}

// asked takes in what a learner wants. It returns the sequence that names the
// learner's copy, if that is open and the learner does not know of it yet.
func (l *leading) asked(from protocol.NodeStart, hint protocol.Hint) (sequence uint64, open bool) {
	one, err := l.leadership(hint.Partition)
	if err != nil {
		return 0, false
	}
	sequence, open, ready := one.asked(time.Now(), from, hint)
	if ready {
		l.poke()
	}
	return sequence, open
}

// run proposes what partitions need. It sleeps while they need nothing.
func (l *leading) run() {
	var again <-chan time.Time
	for {
		select {
		case <-l.c.ctx.Done():
			l.endAll()
			return
		case <-l.wake:
		case <-again:
		}
		again = nil
		for _, one := range l.all() {
			if change, wanted := one.change(); wanted {
				l.c.Propose(change)
				again = time.After(proposeAgain)
			}
		}
	}
}

func (l *leading) all() []*leadership {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*leadership, 0, len(l.mu.of))
	for _, one := range l.mu.of {
		out = append(out, one)
	}
	return out
}

// endAll ends every leadership: the client is closed, or fenced.
func (l *leading) endAll() {
	for _, one := range l.all() {
		one.end()
	}
}

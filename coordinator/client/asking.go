package client

import (
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
)

const (
	// askFirst and askMost bound the time between two requests for the same copies:
	// the primary's map may be behind at first.
	askFirst, askMost = 25 * time.Millisecond, 250 * time.Millisecond
	// hooklessFor is how long a learner without hooks waits before that is logged.
	hooklessFor = 5 * time.Second
	// maxHints bounds the hints of one message.
	maxHints = 1024
)

// asking repeats what this node, as a learner, wants of the primaries: copies, and
// to be proposed. It costs nothing while this node learns nothing.
type asking struct {
	c    *Client
	wake chan struct{}
	// The rest belongs to the goroutine.
	turn     int       // which coordinator is next to pass hints on
	hookless time.Time // since when this node is a learner and has no hooks
	warned   bool
}

func (a *asking) init(c *Client) {
	a.c = c
	a.wake = make(chan struct{}, 1)
}

// poke has what is wanted sent at once.
func (a *asking) poke() { signal(a.wake) }

func (a *asking) run() {
	var again <-chan time.Time
	wait := askFirst
	for {
		select {
		case <-a.c.ctx.Done():
			return
		case <-a.wake:
			wait = askFirst
		case <-again:
		}
		if again = nil; a.send() {
			again = time.After(wait)
			wait = min(2*wait, askMost)
		}
	}
}

// send asks once; false where there is nothing to ask for.
func (a *asking) send() bool {
	wants, hookless := a.c.hooks.wants()
	a.tell(hookless)
	for to, list := range wants {
		for len(list) > 0 {
			n := min(len(list), maxHints)
			a.c.passOn(a.next(), to, list[:n])
			list = list[n:]
		}
	}
	return len(wants) > 0 || hookless && !a.warned
}

// next takes the coordinators in turn, so that one that does not reach the
// primary holds nothing up.
func (a *asking) next() *link {
	for range a.c.links {
		a.turn++
		l := a.c.links[a.turn%len(a.c.links)]
		if _, connected := l.hello(); connected {
			return l
		}
	}
	return nil
}

// tell logs that a learner waits for hooks, which may never come.
func (a *asking) tell(hookless bool) {
	switch now := time.Now(); {
	case !hookless:
		a.hookless = time.Time{}
	case a.hookless.IsZero():
		a.hookless = now
	case !a.warned && now.Sub(a.hookless) >= hooklessFor:
		a.warned = true
		a.c.log.Warn("this node stays a learner: no hook copies its partitions, and Config.NothingToCopy is not set", "node", a.c.config.NodeID)
	}
}

// wants are the hints to send, by the primary that they are for. hookless: this node
// is a learner, and the program has registered no hook.
func (h *hooks) wants() (out map[protocol.NodeStart][]protocol.Hint, hookless bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, k := range h.mu.copies {
		if !k.wanted {
			continue
		}
		if len(h.mu.list) == 0 && !h.c.config.NothingToCopy {
			return nil, true
		}
		hint := protocol.Hint{Kind: protocol.CopyWanted, Partition: id, Epoch: k.event.Epoch, Sequence: k.event.Sequence}
		if k.event.Sequence > 0 && k.done >= len(h.mu.list) {
			hint.Kind = protocol.CopyReady
		}
		to := protocol.StartOf(k.event.CopyFrom)
		if out == nil {
			out = make(map[protocol.NodeStart][]protocol.Hint)
		}
		out[to] = append(out[to], hint)
	}
	return out, false
}

// passOn has a coordinator pass hints on; they are lost if it cannot.
func (c *Client) passOn(through *link, to protocol.NodeStart, list []protocol.Hint) {
	if through != nil && len(list) > 0 {
		_ = through.link.Send(protocol.Encode(protocol.Hints{From: c.start(), To: to, List: list}))
	}
}

// start is this start of this node.
func (c *Client) start() protocol.NodeStart {
	return protocol.NodeStart{Node: c.config.NodeID, Store: c.config.Store, Start: c.config.Start}
}

// hinted takes in what another node said of copies, and answers where this node is
// the primary.
func (c *Client) hinted(through *link, m protocol.Hints) {
	if m.To != c.start() || c.config.ProposesItself {
		return
	}
	var opened []protocol.Hint
	for _, hint := range m.List {
		if hint.Kind == protocol.CopyOpened {
			c.hooks.opened(m.From, hint)
		} else if sequence, open := c.leading.asked(m.From, hint); open {
			hint.Kind, hint.Sequence = protocol.CopyOpened, sequence
			opened = append(opened, hint)
		}
	}
	c.passOn(through, m.From, opened)
}

package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/transport"
)

// errWaiting says that the group is not made yet, for want of a member.
var errWaiting = errors.New("the group of coordinators is not made yet")

// askEvery is how often a member that has not answered is asked.
const askEvery = 100 * time.Millisecond

// peer is another member of the group.
type peer struct {
	id, addr string
	link     transport.Link
	failed   chan struct{} // closed when the first connection attempt failed
	once     sync.Once
}

// listen opens the peer port and the links to the other members.
func (c *Coordinator) listen() error {
	if err := c.listenHTTP(); err != nil {
		return fmt.Errorf("start coordinator %s: %w", c.config.ID, err)
	}
	base := transport.Options{TLS: c.config.TLS, Hello: c.hello, Verify: c.verify, Logger: c.log}
	for id, addr := range c.config.InitialCluster {
		if id == c.config.ID {
			continue
		}
		p := &peer{id: id, addr: addr, failed: make(chan struct{})}
		o := base
		o.Failed = func(error) { p.once.Do(func() { close(p.failed) }) }
		p.link = c.config.Network.Dial(addr, o)
		c.peers[id] = p
	}
	own := base
	own.Handler = handler{c}
	own.Streams = map[byte]func(net.Conn){raftStream: c.raftConnection}
	l, err := c.config.Network.Listen(c.config.PeerAddr, own)
	if err != nil {
		return fmt.Errorf("start coordinator %s: listen for peers: %w", c.config.ID, err)
	}
	c.listener = l
	return nil
}

// raftConnection takes a connection of the peer port for Raft.
func (c *Coordinator) raftConnection(conn net.Conn) {
	if g := c.group.Load(); g != nil {
		g.layer.incoming(conn)
		return
	}
	_ = conn.Close()
}

// meet asks the other members until it is decided whether this one, which has
// no state, founds the group with them or joins the one they have founded. It
// writes the group down. errWaiting is in its error where that is not decided
// when patience (if not zero) or ctx ends, or nobody else can be reached.
func (c *Coordinator) meet(ctx context.Context, patience time.Duration) error {
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	own := c.memberCopy()
	self := protocol.Seen{ID: own.ID, Store: own.Store}
	answers := make(map[string]protocol.Answer)
	logged := time.Now()
	for {
		clear(answers) // what a member said before its end counts no more
		c.askAll(ctx, self, answers)
		c.asked.add(answers)
		group, waits, err := decide(self, c.config.InitialCluster, answers)
		if err != nil {
			return err
		}
		if group != nil && !anyGroup(answers) && !c.mayFound(answers) {
			group = nil // it would be a new one
		}
		if group != nil {
			c.member.waits.Store(nil)
			return c.updateMember(func(m *member) {
				m.Group = group
				if a := given(answers); a != nil {
					m.Token = a.Token
				}
			})
		}
		c.member.waits.Store(&waits)
		if patience > 0 && c.unreachable(waits) || ctx.Err() != nil {
			return fmt.Errorf("%w: not heard of: %v", errWaiting, waits)
		}
		if time.Since(logged) > 5*time.Second {
			logged = time.Now()
			c.log.Warn("waiting for all coordinators of the initial cluster, for its first start", "missing", waits)
		}
		select {
		case <-ctx.Done():
		case <-c.asked.wake:
		case <-time.After(askEvery):
		}
	}
}

// anyGroup reports whether somebody has written a group down.
func anyGroup(answers map[string]protocol.Answer) bool {
	for _, a := range answers {
		if len(a.Group) > 0 {
			return true
		}
	}
	return false
}

// askers are the members that have asked us. Who asks has written no group
// down, so the question says as much as an answer would; it comes earlier where
// our own link waits before it dials again.
type askers struct {
	wake chan struct{}
	mu   sync.Mutex
	seen map[string]protocol.Answer // what the question says, as an answer would
}

func newAskers() *askers {
	return &askers{wake: make(chan struct{}, 1), seen: make(map[string]protocol.Answer)}
}

func (a *askers) note(m protocol.Ask) {
	a.mu.Lock()
	was, heard := a.seen[m.Self.ID]
	a.seen[m.Self.ID] = protocol.Answer{Self: m.Self, Strangers: m.Strangers}
	a.mu.Unlock()
	if heard && was.Self == m.Self && slices.Equal(was.Strangers, m.Strangers) {
		return // members that wait would wake each other without end
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// add puts those who have not answered into answers.
func (a *askers) add(answers map[string]protocol.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, s := range a.seen {
		if _, heard := answers[id]; !heard {
			answers[id] = s
		}
	}
}

// unreachable reports whether nobody of those waited for is about to answer.
func (c *Coordinator) unreachable(waits []string) bool {
	for _, id := range waits {
		p, other := c.peers[id]
		if !other {
			return false // it waits for the operator
		}
		select {
		case <-p.failed:
		default:
			return false
		}
	}
	return true
}

// askAll asks everybody who has a connection, and takes the answers down.
func (c *Coordinator) askAll(ctx context.Context, self protocol.Seen, answers map[string]protocol.Answer) {
	question := protocol.Encode(protocol.Ask{Self: self, Strangers: c.strangers()})
	var wg sync.WaitGroup
	var mu sync.Mutex
	for id, p := range c.peers {
		if !p.link.Connected() {
			continue
		}
		wg.Add(1)
		p.link.Call(question, time.Second, func(raw []byte, err error) {
			defer wg.Done()
			if err != nil {
				return
			}
			m, err := protocol.Decode(raw)
			if a, ok := m.(protocol.Answer); err == nil && ok {
				mu.Lock()
				defer mu.Unlock()
				answers[id] = a
			}
		})
	}
	wg.Wait()
}

// memberCopy is member.json as it is now.
func (c *Coordinator) memberCopy() member { return *c.member.value.Load() }

// updateMember changes member.json, durably before it counts.
func (c *Coordinator) updateMember(change func(*member)) error {
	c.member.updating.Lock()
	defer c.member.updating.Unlock()
	next := c.memberCopy()
	change(&next)
	if err := next.save(c.config.DataDir); err != nil {
		return err
	}
	c.member.value.Store(&next)
	return nil
}

package client

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

const (
	// lookAgain is how often the stream is looked after.
	lookAgain = 50 * time.Millisecond
	// silence is how long the coordinator followed may say nothing, or have no
	// leader, before another is followed; beats come every 250 ms.
	silence = time.Second
	// behind is how long it may have an older map than ours.
	behind = 2 * time.Second
)

// following is which coordinator's map stream is followed.
type following struct {
	mu struct {
		sync.Mutex
		up      map[*link]transport.Conn // every link's connection, while it has one
		from    *link
		conn    transport.Conn // the connection that the stream was asked for on; nil if it is gone
		streams uint64         // counts the streams asked for
		said    wentBack       // what the last beat said of coordinators that went back
		heard   time.Time      // of anything on it
		well    time.Time      // of a beat with a leader
		abreast time.Time      // of a version at or above ours
	}
}

// wentBack is what a stream says of coordinators that went back to an old map. The
// same backup can be restored twice, and Behind be the same again, but every stream
// breaks in between.
type wentBack struct {
	stream uint64
	behind uint64 // as protocol.Beat.Behind
	frozen uint64 // version of the coordinators' map
}

// wentBack is what the beats of the stream followed say.
func (f *following) wentBack() wentBack {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.said
}

// link is the coordinator followed, or followed last; nil before the first.
func (f *following) link() *link {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.from
}

// other chooses whom to follow instead, if the stream is not as it should be:
// the next link that is up, in the order of the configuration; the same again
// where no other is. False if all is well, or nobody is there.
func (f *following) other(links []*link, now time.Time) (*link, transport.Conn, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.conn != nil && now.Sub(f.mu.heard) < silence && now.Sub(f.mu.well) < silence && now.Sub(f.mu.abreast) < behind {
		return nil, nil, false
	}
	at := slices.Index(links, f.mu.from)
	for i := range links {
		l := links[(at+1+i)%len(links)]
		if conn := f.mu.up[l]; conn != nil {
			return l, conn, true
		}
	}
	return nil, nil, false
}

// supervise changes coordinators when the one followed is silent, has no
// leader, or stays behind.
func (c *Client) supervise() {
	ticks := time.NewTicker(lookAgain)
	defer ticks.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-ticks.C:
			if l, conn, change := c.follow.other(c.links, now); change {
				c.followOn(l, conn)
			}
			reason, all := c.turnedAway()
			switch last := c.refused.Load(); {
			case all && last == nil:
				// One that was accepted goes on as without coordinators.
				c.refuse(&RefusedError{Node: c.config.NodeID, Reason: reason, Waits: c.accepted.Load(), TurnedAway: true})
			case !all && last != nil && last.TurnedAway && last.Waits:
				c.refused.CompareAndSwap(last, nil)
			}
		}
	}
}

// streamHandler receives what one coordinator sends. It implements
// transport.Handler.
type streamHandler struct {
	c    *Client
	from *link
}

// Up implements transport.Handler: where no stream runs, this one is followed.
func (h streamHandler) Up(conn transport.Conn) {
	h.c.follow.mu.Lock()
	if h.c.follow.mu.up == nil {
		h.c.follow.mu.up = make(map[*link]transport.Conn)
	}
	h.c.follow.mu.up[h.from] = conn
	idle := h.c.follow.mu.conn == nil
	h.c.follow.mu.Unlock()
	if idle {
		h.c.followOn(h.from, conn)
	}
}

// Down implements transport.Handler.
func (h streamHandler) Down(conn transport.Conn, _ error) {
	h.c.follow.mu.Lock()
	defer h.c.follow.mu.Unlock()
	delete(h.c.follow.mu.up, h.from)
	if h.c.follow.mu.conn == conn {
		h.c.follow.mu.conn = nil
	}
}

// Message implements transport.Handler.
func (h streamHandler) Message(conn transport.Conn, body []byte) {
	m, err := protocol.Decode(body)
	if err != nil {
		h.c.log.Warn("coordinator sent what is no message", "addr", h.from.addr, "err", err)
		_ = conn.Close()
		return
	}
	if hints, are := m.(protocol.Hints); are {
		h.c.hinted(h.from, hints)
		return
	}
	if !h.c.heard(conn, m) {
		return // of a stream that is followed no more
	}
	switch m := m.(type) {
	case protocol.Snapshot:
		if id := h.c.ClusterID(); id != "" && id != m.Map.ClusterID {
			h.c.log.Error("coordinator sent the map of another cluster", "addr", h.from.addr, "cluster", m.Map.ClusterID)
			_ = conn.Close()
			return
		}
		h.c.takeSnapshot(m)
	case protocol.Delta:
		h.c.takeDelta(conn, m.Delta)
	case protocol.Beat:
		last := h.c.beat.Swap(&m)
		if h.c.follow.hearsBack(&m) {
			h.c.maps.tell() // this node is to report what it has, or need wait no more
		}
		if last == nil || last.Leader != m.Leader || !slices.Equal(last.Suspected, m.Suspected) {
			h.c.maps.again() // the health may be another
		}
	}
}

// Request implements transport.Handler: coordinators ask nothing.
func (h streamHandler) Request(_ transport.Conn, _ []byte, reply func([]byte)) {
	reply(protocol.Encode(protocol.Reply{Code: protocol.Invalid, Text: "a client answers nothing"}))
}

// heard notes a sign of life; false if it is not of the stream followed.
func (c *Client) heard(conn transport.Conn, m protocol.Message) bool {
	now := time.Now()
	c.follow.mu.Lock()
	defer c.follow.mu.Unlock()
	if c.follow.mu.conn != conn {
		return false
	}
	c.follow.mu.heard = now
	if b, is := m.(protocol.Beat); is {
		if b.Leader != "" {
			c.follow.mu.well = now
		}
		if b.Version >= c.Map().Version || b.Behind != 0 {
			c.follow.mu.abreast = now
		}
	}
	return true
}

// hearsBack notes what a beat says of coordinators that went back; false if that is
// nothing new.
func (f *following) hearsBack(b *protocol.Beat) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	said := wentBack{}
	if b.Behind != 0 {
		said = wentBack{stream: f.mu.streams, behind: b.Behind, frozen: b.Version}
	}
	fresh := said != f.mu.said
	f.mu.said = said
	return fresh
}

// takeSnapshot replaces the map.
func (c *Client) takeSnapshot(s protocol.Snapshot) {
	cur := c.Map()
	if own := c.config.Application; own != "" && own != s.Map.Application {
		if c.refused.Load() == nil {
			c.refuse(&RefusedError{Node: c.config.NodeID, Reason: fmt.Sprintf(
				"this is for application %q, the cluster serves %q", own, s.Map.Application), Waits: c.accepted.Load()})
		}
		return
	}
	if s.Map.Version <= cur.Version {
		return
	}
	c.publish(s.Map)
}

// takeDelta moves the map on; a gap asks for a whole map.
func (c *Client) takeDelta(conn transport.Conn, d partition.Delta) {
	cur := c.Map()
	if d.Version <= cur.Version {
		return
	}
	next, err := cur.Apply(d)
	if err != nil {
		if !errors.Is(err, partition.ErrGap) {
			c.log.Warn("delta of the map not applied", "err", err)
		}
		_ = conn.Send(protocol.Encode(protocol.Follow{Have: cur.Stamp(), Whole: true, ClusterID: c.ClusterID()}))
		return
	}
	c.publish(next)
}

// followOn asks for the stream on a connection, and ends the one before.
func (c *Client) followOn(from *link, conn transport.Conn) {
	now := time.Now()
	c.follow.mu.Lock()
	old := c.follow.mu.conn
	c.follow.mu.from, c.follow.mu.conn = from, conn
	c.follow.mu.streams++
	c.follow.mu.heard, c.follow.mu.well, c.follow.mu.abreast = now, now, now
	c.follow.mu.Unlock()
	if old != nil && old != conn {
		_ = old.Send(protocol.Encode(protocol.Follow{Stop: true}))
	}
	_ = conn.Send(protocol.Encode(protocol.Follow{Have: c.Map().Stamp(), ClusterID: c.ClusterID()}))
}

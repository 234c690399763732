package client

import (
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
)

// heartbeatEvery is the time between heartbeats; the coordinators suspect a
// node after four of them.
const heartbeatEvery = 250 * time.Millisecond

// heartbeats tells every coordinator that this node lives: each judges by
// itself, so that a new leader need not learn it first.
func (c *Client) heartbeats() {
	ticks := time.NewTicker(heartbeatEvery)
	defer ticks.Stop()
	for {
		// One that is fenced says nothing in its node's name.
		for c.fenced.Load() != nil {
			select {
			case <-c.ctx.Done():
				return
			case <-ticks.C:
			}
		}
		var r Report
		if c.config.Report != nil {
			r = c.config.Report()
		}
		if r.MapVersion == 0 {
			s := c.acted.Load()
			r.MapVersion, r.MapHistory = s.Version, s.History
		}
		body := protocol.Encode(protocol.Heartbeat{Report: r})
		for _, l := range c.links {
			_ = l.link.Send(body) // one that is down hears the next
		}
		select {
		case <-c.ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

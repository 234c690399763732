package replica

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// loggedClock is a replica's view of its partition's logged time (Q5): what the
// last entry says, and what this node's steady clock measured since that came.
// So a new primary goes on from where the old one was, not from its last entry.
type loggedClock struct {
	last entry.LoggedTime // of the newest entry, or of the applied state
	at   Time             // when that was made, or came
}

// now returns the logged time as of now.
func (c *loggedClock) now(now Time) entry.LoggedTime {
	return c.last + entry.LoggedTime(max(0, now.Sub(c.at))/time.Millisecond)
}

// take returns the logged time of an entry of this primary. What is less than a
// millisecond stays for the next: entries may come faster than that.
func (c *loggedClock) take(now Time) entry.LoggedTime {
	t := c.now(now)
	c.at = c.at.Add(time.Duration(t-c.last) * time.Millisecond)
	c.last = t
	return t
}

// see takes the time of an entry that came, or was found: along one log it never
// goes back.
func (c *loggedClock) see(t entry.LoggedTime, now Time) {
	if t > c.last {
		c.last, c.at = t, now
	}
}

// loggedNow is the partition's logged time at this input.
func (r *replica) loggedNow() entry.LoggedTime { return r.logged.now(r.g.now) }

package transport

import "math"

// callTable holds the calls that wait for a reply. An ID is a slot of the table
// and how often the slot was used, so that a late reply finds nobody; looking
// one up costs no hash, and a call no allocation.
type callTable struct {
	slots []call
	free  int32 // first free slot plus one; zero is none
	open  int
	// earliest is at or before the earliest deadline: it stays when that call is
	// answered, so deadlines are looked through about once in a time-out, not
	// once in a call.
	earliest int64
}

type call struct {
	done     func(reply []byte, err error)
	deadline int64
	offset   uint64 // of the request's first byte in all that was ever queued
	uses     uint32
	next     int32 // while free: next free slot plus one
}

const (
	slotBits = 24
	maxCalls = 1<<slotBits - 1
	never    = math.MaxInt64
)

func newCallTable() callTable { return callTable{earliest: never} }

// add returns the new call's ID; false if the table is full.
func (t *callTable) add(done func([]byte, error), deadline int64, offset uint64) (uint64, bool) {
	slot := t.free - 1
	if slot >= 0 {
		t.free = t.slots[slot].next
	} else {
		if len(t.slots) == maxCalls {
			return 0, false
		}
		slot = int32(len(t.slots))
		t.slots = append(t.slots, call{})
	}
	c := &t.slots[slot]
	c.done, c.deadline, c.offset = done, deadline, offset
	t.open++
	t.earliest = min(t.earliest, deadline)
	return uint64(c.uses)<<slotBits | uint64(slot), true
}

// remove returns the function of a call that is still open, nil for any other.
func (t *callTable) remove(id uint64) func([]byte, error) {
	slot := int(id & maxCalls)
	if slot >= len(t.slots) || uint64(t.slots[slot].uses) != id>>slotBits {
		return nil
	}
	done := t.slots[slot].done
	if done != nil {
		t.release(slot)
	}
	return done
}

func (t *callTable) release(slot int) {
	c := &t.slots[slot]
	c.done = nil
	c.uses++
	c.next, t.free = t.free, int32(slot)+1
	t.open--
}

// expire takes out the calls whose deadline has come.
func (t *callTable) expire(now int64) (expired []func([]byte, error)) {
	if now < t.earliest {
		return nil
	}
	t.earliest = never
	for i := range t.slots {
		c := &t.slots[i]
		switch {
		case c.done == nil:
		case c.deadline <= now:
			expired = append(expired, c.done)
			t.release(i)
		default:
			t.earliest = min(t.earliest, c.deadline)
		}
	}
	return expired
}

// drain takes out all calls: those whose first byte was handed to the network,
// which ends at taken, and those that were never sent.
func (t *callTable) drain(taken uint64) (sent, unsent []func([]byte, error)) {
	for i := range t.slots {
		c := &t.slots[i]
		switch {
		case c.done == nil:
			continue
		case c.offset < taken:
			sent = append(sent, c.done)
		default:
			unsent = append(unsent, c.done)
		}
		t.release(i)
	}
	t.earliest = never
	return sent, unsent
}

package coordinator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
)

// ErrEmptied says that a coordinator that was a member of the group before came
// back with an empty directory.
var ErrEmptied = errors.New("the cluster exists already and knows this coordinator with another data directory; " +
	"an emptied member could vote committed changes away")

// errReplace is ErrEmptied with the way out.
func errReplace(id string) error {
	return fmt.Errorf("%w. Put the directory of %s back; the other members go on without it. "+
		"Where it is lost: holdfast coordinators remove %s, start it again, and holdfast coordinators add %s", ErrEmptied, id, id, id)
}

// decide judges what the others answered to a coordinator that has no Raft
// state yet. It returns the group to found or to join; or for whom it waits.
//
// A group is founded only once every member has been heard of by every other,
// directly or through one that has: each writes all identities down before it
// has any Raft state. So whoever has state knows every founding directory, and
// one look at any of them tells a slow starter (same directory: nothing it
// voted for can be forgotten) from an emptied member (another directory). And
// if nobody has written a group down, nobody has voted or committed anything
// except members that were not heard of, which is why all must be heard.
func decide(self protocol.Seen, initial map[string]string, answers map[string]protocol.Answer) (group []groupMember, waits []string, err error) {
	for id, a := range answers {
		if a.Self.ID != id {
			return nil, nil, fmt.Errorf("start coordinator %s: at %s, which initial-cluster calls %s, there is %q",
				self.ID, initial[id], id, a.Self.ID)
		}
	}
	if a := given(answers); a != nil {
		if !a.Seated {
			return nil, []string{waitsForOrder(self.ID)}, nil
		}
		group, err = judgeGroup(self, initial, a.Self.ID, *a)
		return group, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(answers)) {
		a := answers[id]
		if len(a.Group) == 0 {
			continue
		}
		joined, err := judgeGroup(self, initial, id, a)
		if err != nil {
			return nil, nil, err
		}
		if group != nil && !slices.Equal(group, joined) {
			return nil, nil, fmt.Errorf("start coordinator %s: the others belong to different groups", self.ID)
		}
		group = joined
	}
	if group != nil {
		return group, nil, nil
	}
	for id, addr := range initial {
		switch a, heard := answers[id]; {
		case id == self.ID:
			group = append(group, groupMember{ID: id, Store: self.Store, Addr: addr})
		case heard:
			group = append(group, groupMember{ID: id, Store: a.Self.Store, Addr: addr})
		default:
			waits = append(waits, id)
		}
	}
	if len(waits) > 0 {
		slices.Sort(waits)
		return nil, waits, nil
	}
	return sortedGroup(group), nil, nil
}

// waitsForOrder is what an operator says to give a vacant place away.
func waitsForOrder(id string) string { return "holdfast coordinators add " + id }

// given returns the answer that tells most of a place that is vacant, or was given
// to this directory; nil if none does. The others may not have heard of that yet.
func given(answers map[string]protocol.Answer) (best *protocol.Answer) {
	for _, id := range slices.Sorted(maps.Keys(answers)) {
		if a := answers[id]; a.Seated || a.Vacant && best == nil {
			best = &a
		}
	}
	return best
}

// judgeGroup returns the group that another member has written down, if this
// coordinator belongs to it with this directory.
func judgeGroup(self protocol.Seen, initial map[string]string, from string, a protocol.Answer) ([]groupMember, error) {
	var group []groupMember
	var ids []string
	known := false
	for _, g := range a.Group {
		ids = append(ids, g.ID)
		if g.ID == self.ID {
			known = true
			if g.Store != self.Store {
				return nil, fmt.Errorf("start coordinator %s: its data directory is empty, but %s says: %w", self.ID, from, errReplace(self.ID))
			}
		}
		group = append(group, groupMember{ID: g.ID, Store: g.Store, Addr: initial[g.ID]})
	}
	if want := slices.Sorted(maps.Keys(initial)); !known || !slices.Equal(ids, want) {
		return nil, fmt.Errorf("start coordinator %s: initial-cluster names %s, but %s belongs to a group of %s",
			self.ID, strings.Join(want, ", "), from, strings.Join(ids, ", "))
	}
	return sortedGroup(group), nil
}

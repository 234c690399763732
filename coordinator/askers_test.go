package coordinator

import (
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
)

// Members that wait ask each other. A question that says nothing new wakes nobody:
// each would ask at once, and wake the other again.
func TestAQuestionThatSaysNothingNewWakesNobody(t *testing.T) {
	t.Parallel()
	first := protocol.Ask{Self: protocol.Seen{ID: "c1", Store: 1}}
	wiped := protocol.Ask{Self: protocol.Seen{ID: "c1", Store: 2}}
	called := wiped
	called.Strangers = []protocol.Stranger{{Node: "n1", ClusterID: "other"}}
	a := newAskers()
	for _, step := range []struct {
		name  string
		asked protocol.Ask
		wakes bool
	}{
		{"the first", first, true},
		{"the same again", first, false},
		{"of another disk", wiped, true},
		{"the same again", wiped, false},
		{"with a stranger", called, true},
		{"the same again", called, false},
	} {
		a.note(step.asked)
		select {
		case <-a.wake:
			if !step.wakes {
				t.Errorf("%s: it wakes", step.name)
			}
		default:
			if step.wakes {
				t.Errorf("%s: it does not wake", step.name)
			}
		}
	}
}

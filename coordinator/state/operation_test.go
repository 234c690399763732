package state

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// admin applies an admin command, which must not fail as a whole.
func (c *cluster) admin(a Admin) Operation {
	c.t.Helper()
	r := c.apply(a)
	if r.Err != nil || r.Operation == nil {
		c.t.Fatalf("%+v: %+v", a, r)
	}
	return *r.Operation
}

func duty(c *cluster, id partition.NodeID) partition.Duty {
	n, _ := c.m.Map().Node(id)
	return n.Duty
}

// An admin command that comes again, even after another has undone it, and after
// the coordinators were restored from a snapshot, is applied once.
func TestARepeatedOperationGetsTheFirstResult(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	drain := Admin{ID: "a", Fingerprint: 1, Command: Assign{Node: "n4", Duty: partition.Draining}, Node: "n4"}
	first := c.admin(drain)
	if first.Refused != "" || first.Duty != partition.Draining || first.Version != c.m.Map().Version {
		t.Errorf("%+v", first)
	}
	c.admin(Admin{ID: "b", Command: Assign{Node: "n4"}, Node: "n4"})
	restored, err := Restore(c.m.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	c.m = restored
	before := c.m.Map()
	if again := c.admin(drain); again != first || c.m.Map() != before || duty(c, "n4") != partition.Full {
		t.Errorf("%+v, want %+v; n4 is %v", again, first, duty(c, "n4"))
	}
	drain.Fingerprint++
	if r := c.apply(drain); !errors.Is(r.Err, ErrOperationReused) || duty(c, "n4") != partition.Full {
		t.Errorf("%+v", r)
	}
}

// A refusal is a result like any other: what was refused is never applied later.
func TestARefusedOperationStaysRefused(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	drain := Admin{ID: "a", Command: Assign{Node: "n3", Duty: partition.Draining}, Node: "n3"}
	first := c.admin(drain)
	if !strings.Contains(first.Refused, ErrTooFewNodes.Error()) {
		t.Errorf("%+v", first)
	}
	byLeader := c.admin(Admin{ID: "b", Refused: "n3 is busy"})
	c.ok(Register{Node: node(4)}) // now it would be possible
	if again := c.admin(drain); again != first || duty(c, "n3") != partition.Full {
		t.Errorf("%+v; n3 is %v", again, duty(c, "n3"))
	}
	drain.ID = "b"
	if again := c.admin(drain); again != byLeader || duty(c, "n3") != partition.Full {
		t.Errorf("%+v; n3 is %v", again, duty(c, "n3"))
	}
}

// An operation of several steps is open until its last one; each step counts once.
func TestAnOperationOfSeveralSteps(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	vacate := c.admin(Admin{ID: "remove", Open: true})
	if !vacate.Open || vacate.Since != 0 {
		t.Errorf("%+v", vacate)
	}
	c.ok(Seat{Coordinator: "c3"}) // another operation
	if o := c.admin(Admin{ID: "remove", Command: Seat{Coordinator: "c3"}}); !strings.Contains(o.Refused, ErrStale.Error()) || o.Open {
		t.Errorf("%+v", o)
	}
	give := Admin{ID: "add", Open: true, Command: SeatFor(c.m.Seats(), "c3", 11)}
	first := c.admin(give)
	if s := c.m.Seats(); !first.Open || len(s) != 1 || s[0].Store != 11 || s[0].Since != first.Since {
		t.Errorf("%+v %+v", first, s)
	}
	if again := c.admin(give); again != first {
		t.Errorf("%+v, want %+v", again, first)
	}
	if o := c.admin(Admin{ID: "add"}); o.Open || o.Refused != "" || o.Since != first.Since {
		t.Errorf("%+v", o)
	}
}

func TestOperationsAreBounded(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	for i := range MaxOperations + 1 {
		c.admin(Admin{ID: fmt.Sprint("op", i), Refused: strings.Repeat("é", maxOperationText)})
	}
	if _, known := c.m.Operation("op0"); known {
		t.Error("the oldest is still remembered")
	}
	if o, known := c.m.Operation("op1"); !known || len(o.Refused) > maxOperationText {
		t.Errorf("%+v", o)
	}
	if size := len(c.m.Snapshot()); size > 700_000 {
		t.Errorf("a snapshot has %d bytes", size)
	}
	for _, id := range []string{"", "a b", "é", "a\n", strings.Repeat("x", MaxOperationID+1)} {
		c.refused(Admin{ID: id}, ErrInvalid)
	}
}

func TestAnAdminCommandIsNotInsideAnother(t *testing.T) {
	t.Parallel()
	if _, err := Encode(Admin{ID: "a", Command: Admin{ID: "b"}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v", err)
	}
}

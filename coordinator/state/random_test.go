package state

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
	"pgregory.net/rapid"
)

// drawCommand draws a command that often fits the map, and often does not.
func drawCommand(t *rapid.T, m *partition.Map) Command {
	switch rapid.IntRange(0, 19).Draw(t, "command") {
	case 0, 1, 2:
		return drawRegister(t, m)
	case 3:
		r := Recover{Partition: drawID(t), Node: drawNode(t)}
		r.Epoch = drawEpoch(t, m, r.Partition)
		return r
	case 4:
		r := UnsafeRecover{Partition: drawID(t), Node: drawNode(t), Lineage: rapid.Uint32Range(0, 9).Draw(t, "lineage")}
		r.Epoch = drawEpoch(t, m, r.Partition)
		return r
	case 5:
		n, _ := m.Node(drawNode(t))
		if n == nil {
			return Confirm{}
		}
		return Confirm{Nodes: []partition.Replica{{Node: n.ID, Store: n.Store}}}
	case 6:
		f := Fail{Node: drawNode(t), Changes: drawChanges(t, m)}
		if n, known := m.Node(f.Node); known {
			f.Incarnation = n.Incarnation
		}
		return f
	case 7:
		a := Assign{Node: drawNode(t), Duty: partition.Duty(rapid.IntRange(0, 3).Draw(t, "duty"))}
		if n, known := m.Node(a.Node); known && rapid.Bool().Draw(t, "start") {
			a.Store, a.Incarnation = n.Store, n.Incarnation+rapid.Uint64Range(0, 1).Draw(t, "boot")
		}
		return a
	case 16:
		a := Admin{ID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "operation"), Open: rapid.Bool().Draw(t, "open"), Node: drawNode(t)}
		if inner := drawCommand(t, m); rapid.Bool().Draw(t, "inside") {
			if _, again := inner.(Admin); !again {
				a.Command = inner
			}
		}
		return a
	case 14:
		return Weigh{Node: drawNode(t), Weight: rapid.Uint32Range(0, 3).Draw(t, "weight")}
	case 15:
		r := partition.Rebalance{Paused: rapid.Bool().Draw(t, "paused"), AtOnce: rapid.IntRange(0, 3).Draw(t, "moves")}
		return SetRebalance{Change: partition.RebalanceChange{Paused: &r.Paused, AtOnce: &r.AtOnce}}
	case 8:
		r := Remove{Node: drawNode(t), Lost: rapid.Bool().Draw(t, "lost"), Live: []partition.NodeID{drawNode(t), drawNode(t)}}
		if n, known := m.Node(r.Node); known {
			r.Store, r.Incarnation, r.Duty = n.Store, n.Incarnation, n.Duty
		}
		return r
	case 13:
		return Seat{Since: rapid.Uint64Range(0, 9).Draw(t, "since"), Coordinator: rapid.SampledFrom([]string{"c1", "c2"}).Draw(t, "seat"), Store: partition.StoreID(rapid.IntRange(0, 2).Draw(t, "dir"))}
	case 17:
		if rapid.IntRange(0, 2).Draw(t, "told") == 0 {
			return NoteRestored{
				Last: LogPosition{Term: rapid.Uint64Range(0, 3).Draw(t, "term"), Index: rapid.Uint64Range(0, 99).Draw(t, "last")},
				Term: 2,
			}
		}
		return NoteBehind{Map: partition.Stamp{Version: m.Version + rapid.Uint64Range(0, 3).Draw(t, "seen")/3, History: m.History}}
	case 9, 10:
		return Begin{Version: m.Version, Moves: drawMoves(t)}
	case 11, 12:
		return End{Moves: drawEnds(t, m)}
	default:
		return Changes{Changes: drawChanges(t, m)}
	}
}

// drawEpoch is most often the partition's epoch.
func drawEpoch(t *rapid.T, m *partition.Map, id partition.ID) partition.Epoch {
	c, placed := m.Partition(id)
	if !placed {
		return 1
	}
	return c.Epoch + partition.Epoch(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "judged"))
}

func drawID(t *rapid.T) partition.ID { return partition.ID(rapid.IntRange(0, 4).Draw(t, "partition")) }

func drawNode(t *rapid.T) partition.NodeID {
	return node(rapid.IntRange(1, 5).Draw(t, "node")).ID
}

func drawRegister(t *rapid.T, m *partition.Map) Register {
	r := Register{Node: node(rapid.IntRange(1, 5).Draw(t, "node"))}
	if n, known := m.Node(r.Node.ID); known {
		r.Node = *n
		r.Node.Incarnation += rapid.Uint64Range(0, 2).Draw(t, "boots") - 1
		r.Node.StartID = partition.StartID(rapid.IntRange(1, 3).Draw(t, "start"))
		if rapid.IntRange(0, 5).Draw(t, "history") > 0 {
			r.Accepted = n.Start()
		}
		if rapid.Bool().Draw(t, "silent") {
			r.Silent = n.Start()
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "disk") == 0 {
		r.Node.Store = partition.StoreID(rapid.IntRange(100, 120).Draw(t, "store"))
	}
	if rapid.IntRange(0, 5).Draw(t, "address") == 0 {
		r.Node.PeerAddr = node(rapid.IntRange(1, 5).Draw(t, "at")).PeerAddr
	}
	for i := range m.Partitions {
		c := &m.Partitions[i]
		switch rapid.IntRange(0, 9).Draw(t, "copy") {
		case 0: // none
		case 1:
			r.Copies = append(r.Copies, Copy{Partition: c.ID, Epoch: c.Epoch, Lineage: c.Lineage + 1})
		case 2:
			if rapid.IntRange(0, 9).Draw(t, "ahead") == 0 {
				later := *c
				later.Epoch += 2
				later.Replicas = later.Replicas[:min(1, len(later.Replicas))]
				later.Eligible, later.Unavailable = nil, nil
				r.Copies = append(r.Copies, Copy{Partition: c.ID, Epoch: later.Epoch, Lineage: c.Lineage, Configuration: &later})
			}
		default:
			r.Copies = append(r.Copies, Copy{Partition: c.ID, Epoch: c.Epoch, Lineage: c.Lineage})
		}
	}
	for i := range 5 {
		if rapid.Bool().Draw(t, "live") {
			r.Live = append(r.Live, node(i+1).ID)
		}
	}
	return r
}

func drawChanges(t *rapid.T, m *partition.Map) []partition.Change {
	var out []partition.Change
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		ch := partition.Change{Partition: drawID(t), Primary: drawNode(t), Reason: "drawn"}
		if cur, ok := m.Partition(ch.Partition); ok {
			ch.Epoch = cur.Epoch + partition.Epoch(rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(t, "epoch"))
			for _, r := range union(cur.Replicas, cur.Learners) {
				if rapid.IntRange(0, 3).Draw(t, "member") > 0 {
					ch.Replicas = append(ch.Replicas, r)
					if n, known := m.Node(r.Node); known && !cur.InSync(r.Node) && rapid.IntRange(0, 5).Draw(t, "start") > 0 {
						ch.Added = append(ch.Added, partition.Added{Node: r.Node, Start: n.Start()})
					}
				}
			}
			ch.Proposer = rapid.SampledFrom([]partition.NodeID{"", cur.Primary, cur.Primary, drawNode(t)}).Draw(t, "proposer")
			if len(cur.Replicas) > 0 && rapid.Bool().Draw(t, "sensible") {
				ch.Primary = rapid.SampledFrom(cur.Replicas).Draw(t, "primary").Node
			}
		}
		out = append(out, ch)
	}
	return out
}

func drawMoves(t *rapid.T) []partition.Move {
	var out []partition.Move
	for range rapid.IntRange(1, 3).Draw(t, "moves") {
		v := partition.Move{Partition: drawID(t), Reason: "drawn"}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			v.Primary = drawNode(t)
		case 1:
			v.To = drawNode(t)
		case 2:
			v.From = drawNode(t)
		default:
			v.From, v.To = drawNode(t), drawNode(t)
		}
		out = append(out, v)
	}
	return out
}

func drawEnds(t *rapid.T, m *partition.Map) []EndMove {
	var out []EndMove
	for _, v := range m.Moves {
		if rapid.Bool().Draw(t, "ends") {
			out = append(out, EndMove{Partition: v.Partition, Since: v.Since - uint64(rapid.IntRange(0, 9).Draw(t, "since")/9), Cancel: rapid.Bool().Draw(t, "cancel")})
		}
	}
	return out
}

// mayDrop reports whether a command may take a node out of a partition: the end
// of a move does, and a node's removal.
func mayDrop(cmd Command, old, next *partition.Map, id partition.ID, node partition.NodeID) bool {
	switch c := cmd.(type) {
	case Remove:
		return c.Node == node
	case End, Assign, Changes, Fail, Register:
		was, moved := old.Move(id)
		_, still := next.Move(id)
		return moved && !still && (was.From == node || was.To == node)
	}
	return false
}

// obeys checks what one command made of the map.
func obeys(t *rapid.T, cmd Command, old, next *partition.Map, m *Machine) {
	if err := next.Validate(); err != nil {
		t.Fatalf("after %+v: %v", cmd, err)
	}
	if a, admin := cmd.(Admin); admin {
		cmd = a.Command
	}
	if _, whole := cmd.(RecoverMap); whole {
		for i := range next.Partitions {
			if was, is := &old.Partitions[i], &next.Partitions[i]; next != old && is.Epoch < was.Epoch+recoveredEpochs {
				t.Fatalf("%+v took %v from epoch %d to %d", cmd, is.ID, was.Epoch, is.Epoch)
			}
		}
		return
	}
	_, unsafe := cmd.(UnsafeRecover)
	_, recovers := cmd.(Recover)
	_, registers := cmd.(Register)
	if _, removes := cmd.(Remove); removes {
		registers = true // it loses what was on a disk, too
	}
	if _, ends := cmd.(End); ends {
		for i := range next.Partitions {
			was, is := &old.Partitions[i], &next.Partitions[i]
			if len(is.Replicas) < len(was.Replicas) && len(is.Replicas) < old.Settings.MinInSync {
				t.Fatalf("%+v left %+v of %+v", cmd, is, was)
			}
		}
	}
	for i := range next.Partitions {
		was, is := &old.Partitions[i], &next.Partitions[i]
		switch {
		case is.Epoch == was.Epoch && !is.Equal(was):
			t.Fatalf("%+v changed %+v to %+v at the same epoch", cmd, was, is)
		case is.Epoch < was.Epoch || is.Epoch > was.Epoch+1 && !unsafe:
			t.Fatalf("%+v took %v from epoch %d to %d", cmd, is.ID, was.Epoch, is.Epoch)
		case is.Primary != "" && !was.InSync(is.Primary) && !unsafe && !recovers:
			t.Fatalf("%+v promoted %q, which was not in sync: %+v", cmd, is.Primary, was)
		case is.Lineage != was.Lineage && !unsafe:
			t.Fatalf("%+v changed a lineage", cmd)
		case len(is.Replicas) == 0 && len(was.Replicas) > 0 && len(is.Unavailable)+len(is.Eligible) == 0:
			t.Fatalf("%+v forgot the last replica of %+v", cmd, was)
		}
		if _, in := partition.Find(was.Eligible, is.Primary); recovers && is.Epoch > was.Epoch && !in {
			t.Fatalf("%+v promoted %q, which was not eligible: %+v", cmd, is.Primary, was)
		}
		eligibleRule(t, cmd, was, is, old.Settings.MinInSync, unsafe, registers)
		for _, r := range union(was.Replicas, was.Learners) {
			if !is.Lists(r.Node) && !mayDrop(cmd, old, next, is.ID, r.Node) {
				t.Fatalf("%+v dropped node %q out of %+v", cmd, r.Node, was)
			}
		}
	}
	if old == next && old.Version != next.Version || old != next && old.Version >= next.Version {
		t.Fatalf("version went from %d to %d", old.Version, next.Version)
	}
}

// eligibleRule is C5, seen from outside.
func eligibleRule(t *rapid.T, cmd Command, was, is *partition.Configuration, minInSync int, unsafe, registers bool) {
	if is.Epoch == was.Epoch || unsafe {
		return
	}
	for _, r := range union(was.Eligible, without(was.Replicas, is.Replicas)) {
		_, listed := partition.Find(is.Eligible, r.Node)
		want := len(is.Replicas) < minInSync && !is.InSync(r.Node)
		if listed != want && !registers {
			t.Fatalf("%+v made %+v of %+v: is %q eligible?", cmd, is, was, r.Node)
		}
	}
	for _, r := range is.Eligible {
		if registers && len(was.Replicas) == 0 && slices.Equal(was.Unavailable, []partition.Replica{r}) {
			continue // the last one in sync is there again
		}
		if _, before := partition.Find(was.Eligible, r.Node); !before && (!was.InSync(r.Node) || registers) {
			t.Fatalf("%+v made %q eligible, which was not in sync: %+v", cmd, r.Node, was)
		}
	}
}

func TestRandomCommands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.IntRange(1, 3).Draw(t, "factor")
		m := New()
		index := uint64(0)
		apply := func(cmd Command) Result { index++; return m.Apply(index, cmd) }
		apply(Create{ClusterID: "c", Application: "a", Settings: partition.Settings{
			Partitions: 4, ReplicationFactor: factor, MinInSync: rapid.IntRange(1, factor).Draw(t, "min"), ExpectNodes: factor,
		}})
		for i := range rapid.IntRange(factor, 4).Draw(t, "nodes") {
			apply(Register{Node: node(i + 1)})
		}
		list, err := partition.Place(m.Map().Nodes, m.Map().Settings, func() uint32 { return 3 })
		if err != nil {
			t.Fatal(err)
		}
		apply(Place{Configurations: list})
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			old := m.Map()
			text, _ := json.Marshal(old)
			cmd := drawCommand(t, old)
			if p, err := m.PlanRecovery(nil); err == nil && rapid.IntRange(0, 4).Draw(t, "recover") == 0 {
				cmd = RecoverMap{Judged: p.Judged, Lost: p.Missing}
			}
			through(t, cmd)
			twin, err := Restore(m.Snapshot())
			if err != nil {
				t.Fatalf("restore: %v", err)
			}
			r := apply(cmd)
			if o := r.Operation; o != nil && o.Refused != "" && m.Map() != old {
				t.Fatalf("%+v was refused (%v) and changed the map", cmd, o.Refused)
			}
			obeys(t, cmd, old, m.Map(), m)
			if m.Behind().Since != 0 && r.Err == nil && m.Map() != old {
				t.Fatalf("%+v changed a map that is behind", cmd)
			}
			if r.Err != nil && m.Map() != old {
				t.Fatalf("%+v was refused (%v) and changed the map", cmd, r.Err)
			}
			if after, _ := json.Marshal(old); !bytes.Equal(text, after) {
				t.Fatalf("%+v wrote to the old map", cmd)
			}
			twin.Apply(index, cmd)
			if !bytes.Equal(twin.Snapshot(), m.Snapshot()) {
				t.Fatalf("%+v took a restored machine elsewhere", cmd)
			}
		}
	})
}

// through checks that a command's encoding keeps all of it.
func through(t *rapid.T, cmd Command) {
	b, err := Encode(cmd)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatalf("decode %+v: %v", cmd, err)
	}
	again, err := Encode(got)
	if err != nil || !bytes.Equal(b, again) {
		t.Fatalf("%+v became %+v", cmd, got)
	}
	cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
	if _, err := Decode(b[:cut]); err == nil {
		t.Fatalf("%d of %d bytes of %+v were enough", cut, len(b), cmd)
	}
}

package state

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// samples has every kind of command, with every field set.
func samples() []Command {
	change := partition.Change{Partition: 3, Epoch: 1 << 40, Primary: "n1", Replicas: replicas(1, 2), Added: []partition.Added{{Node: "n2", Start: partition.Start{Incarnation: 3, ID: 1 << 60}}}, Proposer: "n2", Reason: "slow"}
	full := node(1)
	full.Zone, full.Weight, full.Services = "z", 4, map[string]string{"kv": ":1", "admin": ":2"}
	return []Command{
		Create{ClusterID: "c", Application: "a", Settings: partition.Settings{Partitions: 256, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 5}},
		Register{Node: full, Copies: []Copy{{Partition: 1, Epoch: 2, Lineage: 3}, {Partition: 2, Epoch: 5, Lineage: 4, Configuration: &partition.Configuration{
			ID: 2, Epoch: 5, Lineage: 4, Primary: "n1", Replicas: replicas(1), Learners: replicas(2), Eligible: replicas(2),
		}}}, Stateless: true, AcceptedIn: 77, Map: partition.Stamp{Version: 1 << 40, History: 1 << 63}, Live: []partition.NodeID{"n1", "n2"}},
		Register{
			Node: full, Accepted: partition.Start{Incarnation: 7, ID: 1 << 63}, Silent: partition.Start{Incarnation: 1, ID: 2},
			Since: []partition.Start{{Incarnation: 8, ID: 3}, {Incarnation: 9, ID: 4}},
		},
		Place{Configurations: []partition.Configuration{{
			ID: 1, Epoch: 2, Lineage: 3, Primary: "n1", Replicas: replicas(1), Learners: replicas(2), Eligible: replicas(2), Unavailable: replicas(3),
		}}},
		Changes{Changes: []partition.Change{change, {Partition: 4}}},
		Fail{Node: "n1", Incarnation: 9, Changes: []partition.Change{change}},
		Recover{Partition: 65535, Node: "n1", Epoch: 1 << 40},
		UnsafeRecover{Partition: 1, Node: "n1", Lineage: 1<<32 - 1, Epoch: 3},
		Confirm{Nodes: replicas(1, 2)},
		Assign{Node: "n1", Store: 1 << 60, Incarnation: 3, Was: partition.Removing, Duty: partition.Draining},
		NoteBehind{Map: partition.Stamp{Version: 1 << 40, History: 1 << 63}},
		NoteRestored{Last: LogPosition{Term: 1 << 20, Index: 1 << 40}},
		RecoverMap{Judged: 1 << 40, Lost: []partition.NodeID{"n1", "n2"}},
		Weigh{Node: "n1", Weight: 7},
		Remove{Node: "n1", Store: 1 << 60, Incarnation: 3, Duty: partition.Removing, Lost: true, Live: []partition.NodeID{"n2"}},
		Begin{Version: 9, Moves: []partition.Move{{Partition: 3, From: "n1", To: "n4", Reason: "uneven"}, {Partition: 4, Primary: "n2", Since: 9}}},
		AcceptStart{Node: "n1", Store: 3, Start: partition.Start{Incarnation: 6, ID: 7}, Accepted: partition.Start{Incarnation: 4, ID: 5}},
		End{Moves: []EndMove{{Partition: 3, Since: 1 << 40}, {Partition: 4, Since: 2, Cancel: true, Reason: "n4 is dead"}}},
		Seat{Coordinator: "c3", Store: 1 << 60, Since: 1 << 50},
		Admin{ID: "a", Fingerprint: 1 << 60, Command: Weigh{Node: "n1", Weight: 2}, Open: true, Since: 9, Node: "n1", Partition: 7, Note: "note"},
		Admin{ID: "b", Refused: "no"},
		SetRebalance{Change: partition.Rebalance{Paused: true, AtOnce: 5, AtOnceEach: 2, Throttle: 1 << 40}.Change()},
		SetRebalance{},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	seen := map[kind]bool{}
	for _, c := range samples() {
		b, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v became %+v, %v", c, got, err)
		}
		if _, err := Decode(append(b, 0)); err == nil {
			t.Errorf("%T with a byte too many was taken", c)
		}
		seen[c.kind()] = true
	}
	for k := kindCreate; k <= kindRecoverMap; k++ {
		if !seen[k] {
			t.Errorf("no sample of kind %d", k)
		}
	}
}

// What could not be read again never gets into the log: every coordinator would stop
// at it, at every start.
func TestWhatCannotBeReadIsNotEncoded(t *testing.T) {
	t.Parallel()
	for _, r := range []partition.Rebalance{
		{AtOnce: -1}, {AtOnceEach: -1}, {Throttle: -1},
		{AtOnce: partition.MostAtOnce + 1}, {AtOnceEach: partition.MostAtOnce + 1}, {Throttle: partition.MostThrottle + 1},
	} {
		if _, err := Encode(SetRebalance{Change: r.Change()}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
		if r.Validate() == nil {
			t.Errorf("%+v is valid", r)
		}
	}
	most := SetRebalance{Change: partition.Rebalance{AtOnce: partition.MostAtOnce, AtOnceEach: partition.MostAtOnce, Throttle: partition.MostThrottle}.Change()}
	if _, err := Encode(most); err != nil {
		t.Error(err)
	}
}

// A state machine that does not know a command must stop rather than guess.
func TestUnknownVersions(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{{commandVersion + 1, 1}, {0, 1}, {commandVersion, 0}, {commandVersion, 200}} {
		if _, err := Decode(b); !errors.Is(err, ErrUnknown) {
			t.Errorf("Decode(%v): %v", b, err)
		}
	}
	b := three(t, 3).m.Snapshot()
	b[len(snapshotMagic)]++
	if _, err := Restore(b); !errors.Is(err, ErrUnknown) {
		t.Errorf("Restore of a later version: %v", err)
	}
	if _, err := Encode(nil); err == nil {
		t.Error("encoded nothing")
	}
}

func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.change("n1", 1))
	c.ok(wiped(c, 4))
	c.ok(c.recover("n2"))
	ahead := c.boot(3)
	ahead.Copies[0].Epoch = 50
	c.apply(ahead)
	b := c.m.Snapshot()
	got, err := Restore(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Map(), c.m.Map()) || fmt.Sprint(got.memory) != fmt.Sprint(c.m.memory) {
		t.Errorf("restored %+v\n%+v, want %+v\n%+v", got.Map(), got.memory, c.m.Map(), c.m.memory)
	}
	if !bytes.Equal(got.Snapshot(), b) {
		t.Error("the restored machine's snapshot differs")
	}
	empty, err := Restore(New().Snapshot())
	if err != nil || empty.Map().ClusterID != "" {
		t.Errorf("empty machine: %+v, %v", empty, err)
	}
	for cut := range b {
		if _, err := Restore(b[:cut]); err == nil {
			t.Errorf("%d of %d bytes were enough", cut, len(b))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range samples() {
		b, err := Encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(again)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%+v became %+v, %v", c, got, err)
		}
		// Whatever it asks for, the machine stays valid.
		three(t, 4).apply(c)
	})
}

func FuzzRestore(f *testing.F) {
	c := three(f, 4)
	f.Add(c.m.Snapshot())
	c.ok(c.change("n1", 1))
	c.ok(c.recover("n2"))
	f.Add(c.m.Snapshot())
	f.Add(New().Snapshot())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Restore(b)
		if err != nil {
			return
		}
		again, err := Restore(m.Snapshot())
		if err != nil || !bytes.Equal(again.Snapshot(), m.Snapshot()) {
			t.Fatalf("restored twice: %v", err)
		}
		for _, c := range samples() {
			m.Apply(m.Map().Version+1, c)
			if err := m.Map().Validate(); err != nil {
				t.Fatalf("after %+v: %v", c, err)
			}
		}
	})
}

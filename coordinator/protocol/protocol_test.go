package protocol

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/partition"
)

var (
	replicas = []partition.Replica{{Node: "n1", Store: 0xabc}, {Node: "n2", Store: 2}}
	config   = partition.Configuration{
		ID: 300, Epoch: 7, Lineage: 0xffffffff, Primary: "n1", Replicas: replicas,
		Learners: replicas[1:], Eligible: replicas[1:], Unavailable: replicas[:1],
	}
	node = partition.Node{
		ID: "n1", Store: 0xabc, StartID: 77, Incarnation: 3, Zone: "z", HTTPAddr: "h:1", PeerAddr: "h:2", Weight: 1,
		Services: map[string]string{"kv": ":10080", "b": ""},
	}
	settings = partition.Settings{Partitions: 256, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 10}
	aMap     = &partition.Map{
		Version: 1 << 40, History: 1<<63 + 5, ClusterID: "c", Application: "holdfast", Settings: settings,
		Nodes: []partition.Node{node, {ID: "n2"}}, Partitions: []partition.Configuration{config, {ID: 1}},
	}
	change = partition.Change{Partition: 5, Epoch: 9, Primary: "n1", Replicas: replicas, Added: []partition.Added{{Node: "n2", Start: partition.Start{Incarnation: 3, ID: 4}}}, Proposer: "n1", Reason: "slow"}
)

func messages() []Message {
	seen := Seen{ID: "c1", Store: 77}
	return []Message{
		Heartbeat{Report: Report{
			MapVersion: 4, MapHistory: 5, OldestFsync: time.Second, LogQueue: time.Minute, Load: liveness.Load{Operations: 1, Bytes: 2, Free: 3},
			Leaving:    true,
			NotServing: []liveness.NotServing{{Partition: 1, Epoch: 2, For: time.Minute}},
			Learners:   []liveness.Learner{{Partition: 3, Epoch: 4, Have: 5, Want: 6}},
			Corrupt:    []liveness.Corrupt{{Partition: 7, Void: true}, {Partition: 300}},
		}},
		Heartbeat{},
		Follow{Have: partition.Stamp{Version: 99, History: 1 << 63}, Whole: true, ClusterID: "abc"}, Follow{Stop: true},
		Snapshot{Map: aMap}, Snapshot{Map: &partition.Map{}},
		Delta{Delta: partition.Delta{
			Since: 1, Base: 6, Version: 2, History: 7, Nodes: []partition.Node{node}, Left: []partition.NodeID{"n9"},
			Partitions: []partition.Configuration{config},
			Cluster:    &partition.Cluster{ClusterID: "c", Application: "a", Settings: settings},
		}},
		Delta{},
		Beat{Version: 5, Leader: "c2", Members: []Member{{"c1", "p", "h"}}, Suspected: []partition.NodeID{"n1"}, Behind: 9},
		Register{Node: node, ClusterID: "c", Application: "a", Copies: []Copy{{Partition: 1, Epoch: 2, Lineage: 3}, {Partition: 5, Epoch: 9, Lineage: 3, Configuration: &config}}, AcceptedIn: 77, Superseded: 44, Stateless: true, Map: partition.Stamp{Version: 1 << 40, History: 3}},
		Propose{Changes: []partition.Change{change, {}}},
		Recover{Partition: 3, Node: "n2", Unsafe: true, Confirm: true, Epoch: 1 << 40, Operation: "op"},
		RecoverMap{Judged: 7, Lost: []partition.NodeID{"n1"}, Confirm: true, Operation: "op"},
		NoteRestored{Term: 7, Index: 300},
		Forwarded{Timeout: time.Minute, Request: []byte{1, 2, 3}}, Timed{Timeout: -1, Request: []byte{1}},
		Order{Do: RemoveNode, Node: "n1", Lost: true, Confirm: true, Weight: 3, Operation: "op", Incarnation: 9, Rebalance: partition.DefaultRebalance.Change()},
		Order{Do: Drain},
		Hints{
			From: NodeStart{"n1", 7, partition.Start{Incarnation: 3, ID: 5}}, To: NodeStart{"n2", 8, partition.Start{Incarnation: 4, ID: 6}},
			List: []Hint{{Kind: CopyWanted, Partition: 1, Epoch: 2}, {Kind: CopyReady, Partition: 70000, Epoch: 3, Sequence: 1 << 50}},
		},
		Ask{Self: seen}, Ask{Self: seen, Strangers: []Stranger{{"n1", "other"}, {"", "another"}}},
		Answer{Self: seen, Group: []Seen{seen, {ID: "c2", Store: 1}}, ClusterID: "c", Strangers: []Stranger{{"n1", "other"}}},
		Reply{Code: Refused, Text: "no", Version: 8, Body: []byte("{}")}, Reply{Code: OK}, Reply{Code: Wait, Text: "later", Above: 3},
	}
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, m := range messages() {
		got, err := Decode(Encode(m))
		if err != nil {
			t.Errorf("%T: %v", m, err)
		} else if !reflect.DeepEqual(got, m) {
			t.Errorf("%T:\n got %+v\nwant %+v", m, got, m)
		}
	}
}

func TestCutShortIsAnErrorAndNeverAPanic(t *testing.T) {
	t.Parallel()
	for _, m := range messages() {
		raw := Encode(m)
		for n := range raw {
			switch m.(type) {
			case Forwarded, Timed, Reply: // end with bytes of any length
				_, _ = Decode(raw[:n])
				continue
			}
			if got, err := Decode(raw[:n]); err == nil {
				t.Errorf("%T cut to %d of %d bytes decoded as %+v", m, n, len(raw), got)
			} else if !errors.Is(err, ErrMalformed) {
				t.Errorf("%T cut to %d bytes: %v", m, n, err)
			}
		}
	}
}

func TestHello(t *testing.T) {
	t.Parallel()
	h := Hello{
		Role: RoleNode, Name: "n1", ClusterID: "c", Application: "a", Store: 5, Start: partition.Start{Incarnation: 6, ID: 7}, HTTPAddr: "h", PeerAddr: "p",
	}
	got, err := DecodeHello(h.Encode())
	if err != nil || got != h {
		t.Fatalf("got %+v, %v", got, err)
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "another version": {9, 1}, "no role": {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "short": h.Encode()[:8],
	} {
		if _, err := DecodeHello(raw); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A delta costs what changed, not what the map has.
func TestADeltaCostsTheChange(t *testing.T) {
	t.Parallel()
	big := *aMap
	big.Partitions = make([]partition.Configuration, 4096)
	for i := range big.Partitions {
		big.Partitions[i] = config
		big.Partitions[i].ID = partition.ID(i)
	}
	next := big
	next.Version++
	next.Partitions = append([]partition.Configuration(nil), big.Partitions...)
	next.Partitions[9].Epoch++
	if n := len(Encode(Delta{Delta: partition.DeltaOf(&big, &next)})); n > 200 {
		t.Errorf("a change of one partition takes %d bytes", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages() {
		f.Add(Encode(m))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Decode(raw)
		if err != nil {
			return
		}
		again, err := Decode(Encode(m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v came back as %+v, %v", m, again, err)
		}
	})
}

func FuzzDecodeHello(f *testing.F) {
	f.Add(Hello{Role: RoleCoordinator, Name: "c1"}.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := DecodeHello(raw)
		if err != nil {
			return
		}
		if again, err := DecodeHello(h.Encode()); err != nil || again != h {
			t.Fatalf("%+v came back as %+v, %v", h, again, err)
		}
	})
}

// A peer of another version is told both versions, and what to do.
func TestOtherVersionIsNamed(t *testing.T) {
	t.Parallel()
	raw := Hello{Role: RoleCoordinator, Name: "c1"}.Encode()
	raw[0]++
	if _, err := DecodeHello(raw); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("version %d is not understood here, only %d: run the same version", Version+1, Version)) {
		t.Errorf("%v", err)
	}
}

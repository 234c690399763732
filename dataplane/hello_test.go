package dataplane

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

func peerOf(node partition.NodeID, store partition.StoreID, incarnation uint64) replica.Peer {
	return replica.Peer{Node: node, Store: store, Start: partition.Start{Incarnation: incarnation, ID: partition.StartID(incarnation)}}
}

var twoNodes = &partition.Map{ClusterID: "c", Nodes: []partition.Node{
	{ID: "n1", Store: 11, Incarnation: 4, StartID: 4, PeerAddr: "n1:1"},
	{ID: "n2", Store: 22, Incarnation: 7, StartID: 7, PeerAddr: "n2:1"},
}}

func TestHelloSurvivesItsEncoding(t *testing.T) {
	t.Parallel()
	h := hello{Cluster: "cluster", Self: peerOf("n1", 1<<63+5, 3), Class: classBulk, Target: "n2", TargetStore: 9}
	got, err := decodeHello(h.append(nil))
	if err != nil || got != h {
		t.Errorf("decoded %+v, %v; want %+v", got, err, h)
	}
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	self := peerOf("n1", 11, 4)
	good := hello{Cluster: "c", Self: peerOf("n2", 22, 7), Class: classData, Target: "n1", TargetStore: 11}
	for _, test := range []struct {
		name    string
		change  func(h *hello)
		cluster string
		want    error
	}{
		{"as the map says", func(*hello) {}, "c", nil},
		{"a newer boot, whose registration is on its way", func(h *hello) { h.Self.Start.Incarnation = 8 }, "c", nil},
		{"an earlier boot", func(h *hello) { h.Self.Start.Incarnation = 6 }, "c", errOldBoot},
		{"another start with the same counter", func(h *hello) { h.Self.Start.ID = 6 }, "c", errOldBoot},
		{"another disk", func(h *hello) { h.Self.Store = 23 }, "c", errStranger},
		{"unknown node", func(h *hello) { h.Self.Node = "n9" }, "c", errStranger},
		{"another cluster", func(h *hello) { h.Cluster = "d" }, "c", errCluster},
		{"it dialed an address that another node had", func(h *hello) { h.Target = "n3" }, "c", errMistaken},
		{"it means the disk that was here before", func(h *hello) { h.TargetStore = 10 }, "c", errMistaken},
		{"no class", func(h *hello) { h.Class = 0 }, "c", errHello},
		{"this node has not joined", func(*hello) {}, "", errNotYet},
	} {
		h := good
		test.change(&h)
		if err := welcome(h, test.cluster, self, twoNodes); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func TestReached(t *testing.T) {
	t.Parallel()
	target := twoNodes.Nodes[1]
	good := hello{Cluster: "c", Self: peerOf("n2", 22, 7)}
	for _, test := range []struct {
		name   string
		change func(h *hello)
		want   error
	}{
		{"the node meant", func(*hello) {}, nil},
		{"restarted, before the map says so", func(h *hello) { h.Self.Start.Incarnation = 9 }, nil},
		{"its earlier boot", func(h *hello) { h.Self.Start.Incarnation = 2 }, errOldBoot},
		{"another node at its address", func(h *hello) { h.Self.Node = "n1" }, errMistaken},
		{"another disk", func(h *hello) { h.Self.Store = 5 }, errMistaken},
		{"has not joined", func(h *hello) { h.Cluster = "" }, errNotYet},
		{"another cluster", func(h *hello) { h.Cluster = "d" }, errCluster},
	} {
		h := good
		test.change(&h)
		if err := reached(h, "c", &target, twoNodes); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func TestHelloOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	h := hello{Cluster: "c", Self: peerOf("n1", 1, 1), Class: classData}
	for at := range 3 { // hello, wire, lanes
		b := h.append(nil)
		b[at]++
		if _, err := decodeHello(b); !errors.Is(err, errVersion) {
			t.Errorf("with byte %d changed: %v, want %v", at, err, errVersion)
		}
	}
}

func FuzzHello(f *testing.F) {
	h := hello{Cluster: "c", Self: peerOf("n1", 1, 1), Class: classData, Target: "n2", TargetStore: 2}
	f.Add(h.append(nil))
	f.Add([]byte{helloVersion, 1, Lanes})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err == nil && !bytes.Equal(h.append(nil), b) {
			t.Errorf("%x decodes to %+v, which encodes to %x", b, h, h.append(nil))
		}
	})
}

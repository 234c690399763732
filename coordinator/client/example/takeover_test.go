package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
)

// A primary dies when one replica has its last write and the other has not. What a read
// at the next primary returns, both must have: the one that read it may die too.
func TestAfterATakeoverAllReplicasHaveWhatIsRead(t *testing.T) {
	t.Parallel()
	if !agreeAfterATakeover(t, rules{}) {
		t.Error("the replicas differ after a read")
	}
}

func TestATakeoverThatIsLeftOutIsNoticed(t *testing.T) {
	t.Parallel()
	if agreeAfterATakeover(t, rules{noTakeover: true}) {
		t.Error("nothing was noticed")
	}
}

func agreeAfterATakeover(t *testing.T, without rules) bool {
	t.Helper()
	w := newWorld(t, without, 3)
	const key = "key"
	p, err := w.any().client.GetPartition(key)
	if err != nil {
		t.Fatal(err)
	}
	var others []*node
	for _, n := range w.all() {
		if n.client.NodeID() != p.Configuration.Primary {
			others = append(others, n)
		}
	}
	last := write{Epoch: p.Epoch, Key: blob{key}, value: value{Sequence: uint64(p.Epoch)<<32 + 100, Value: blob{"to one only"}}}
	if err := others[0].copies[p.Number].apply(last); err != nil {
		t.Fatal(err)
	}
	w.kill(p.Configuration.Primary)
	web := &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{}}
	defer web.CloseIdleConnections()
	trio.Eventually(t, "the next primary to answer", func() bool { return w.do(web, &operation{key: key}) })
	for _, n := range others {
		if p, err := n.client.GetPartitionByID(p.Number); err != nil || !p.Configuration.InSync(n.client.NodeID()) {
			t.Fatalf("%s is not in sync: %v", n.client.NodeID(), err)
		}
	}
	one, _ := others[0].copies[p.Number].get(key)
	other, _ := others[1].copies[p.Number].get(key)
	return one == other
}

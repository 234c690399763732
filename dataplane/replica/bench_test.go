package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// BenchmarkWrite is the state machine's share of a write on a primary with two
// secondaries, 64 writes a batch: judge, log, send, two acknowledgements,
// commit, apply, answer.
func BenchmarkWrite(b *testing.B) {
	state := newTestState()
	g := NewGroup(Config{
		Self: Peer{Node: "n1", Store: 1, Start: partition.Start{Incarnation: 1}}, MinInSync: 2, ReplicationFactor: 3,
		Open: func(partition.ID, uint32) State { return state },
	})
	m := &partition.Map{Version: 1, Settings: partition.Settings{Partitions: 1}}
	conf := partition.Configuration{Epoch: 1, Primary: "n1"}
	for i := range 3 {
		id := partition.NodeID(fmt.Sprintf("n%d", i+1))
		m.Nodes = append(m.Nodes, partition.Node{ID: id, Store: partition.StoreID(i + 1), Incarnation: 1})
		conf.Replicas = append(conf.Replicas, partition.Replica{Node: id, Store: partition.StoreID(i + 1)})
	}
	m.Partitions = []partition.Configuration{conf}
	peers := []Peer{{"n2", 2, partition.Start{Incarnation: 1}}, {"n3", 3, partition.Start{Incarnation: 1}}}
	now := Time(time.Second)
	g.SetMap(now, m)
	var out Output
	// Everything synced, probed and acknowledged, until nothing more happens.
	pump := func() {
		for {
			g.Drain(&out)
			if out.Ticket == 0 && len(out.Messages) == 0 {
				return
			}
			if out.Ticket != 0 {
				g.Synced(now, out.Ticket)
			}
			for i := range out.Messages {
				e := &out.Messages[i]
				from := peers[e.To[1]-'2']
				switch e.Message.Kind {
				case Probe:
					g.Message(now, from, &Message{Kind: ProbeReply, Epoch: 1})
				case Append:
					last := e.Message.Previous.Sequence + uint64(len(e.Message.Entries))
					g.Message(now, from, &Message{Kind: Ack, Epoch: 1, Last: entry.Position{Sequence: last, Epoch: 1}})
				}
			}
		}
	}
	pump()
	key, value := []byte("key-00000000"), make([]byte, 100)
	b.ReportAllocs()
	var counter uint64
	for b.Loop() {
		for range 64 {
			counter++
			g.Operate(now, Operation{
				Action: Put, Epoch: 1, Key: key, Value: value, Deadline: now + 1<<40, Tag: b,
				Request: entry.RequestID{Origin: 9, Boot: 1, Counter: counter}, LowestOpen: counter,
			})
		}
		pump()
		clear(state.requests)
		g.Trim(0, counter)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(counter), "ns/write")
}

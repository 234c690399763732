package dataplane

import (
	"sync"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/wire"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// frameBytes is where a frame of messages is sent and another begun. One
// message alone may be larger.
const frameBytes = 256 << 10

// framePool has the buffers in which operations and their answers are encoded
// on their way between nodes.
var framePool = sync.Pool{New: func() any { return new([]byte) }}

// putFrame gives a buffer back, unless a large value made it large.
func putFrame(frame *[]byte) {
	if cap(*frame) <= 4*frameBytes {
		framePool.Put(frame)
	}
}

// outlet carries out what an executor's replicas ask for. It belongs to one
// executor and is not safe for concurrent use.
type outlet struct {
	write     func(records []entry.Record, done func()) // storage's
	peers     *peers
	propose   func(partition.Change)
	snapshots func(replica.SnapshotOrder)
	findings  func(replica.Finding)
	metrics   *metrics
	silent    func() bool // the node is fenced: nothing goes out any more

	frames map[partition.NodeID]*frames
	filled []*frames
}

// frames are the messages for one node that wait for flush.
type frames struct {
	to     partition.NodeID
	data   []byte // what carries entries
	word   []byte // what is said of them: small, and waited for
	beacon []byte
}

func (o *outlet) record(records []entry.Record, done func()) {
	o.metrics.records.Add(float64(len(records)))
	o.write(records, done)
}

// send encodes messages into the frames of their nodes.
func (o *outlet) send(lane int, envelopes []replica.Envelope) {
	for i := range envelopes {
		m := &envelopes[i].Message
		f := o.frames[envelopes[i].To]
		if f == nil {
			f = &frames{to: envelopes[i].To}
			o.frames[f.to] = f
		}
		if len(f.data) == 0 && len(f.word) == 0 && len(f.beacon) == 0 {
			o.filled = append(o.filled, f)
		}
		o.metrics.sent[m.Kind].Inc()
		if m.Kind == replica.BeaconMessage || m.Kind == replica.BeaconReply {
			m.Partition = partition.ID(lane) // a beacon is about one lane, the same on every node
			f.beacon = wire.AppendMessage(f.beacon, m)
			continue
		}
		if m.Kind != replica.Append && m.Kind != replica.FetchReply {
			if f.word = wire.AppendMessage(f.word, m); len(f.word) >= frameBytes {
				o.transmit(f.to, classData, transport.First, &f.word)
			}
			continue
		}
		f.data = wire.AppendMessage(f.data, m)
		if len(f.data) >= frameBytes {
			o.transmit(f.to, classData, transport.Ahead, &f.data)
		}
	}
}

// flush sends the frames begun.
func (o *outlet) flush() {
	for _, f := range o.filled {
		o.transmit(f.to, classBeacon, transport.Ordinary, &f.beacon)
		o.transmit(f.to, classData, transport.First, &f.word)
		o.transmit(f.to, classData, transport.Ahead, &f.data)
	}
	o.filled = o.filled[:0]
}

// transmit sends one frame, and empties it. What cannot be sent is lost: the
// replicas send again what is not acknowledged. Forwarded operations, which share
// the link, do not hold entries back, and neither hold back an acknowledgement:
// a primary takes a secondary for dead whose acknowledgement comes late (C3).
// Acknowledgements may overtake entries: those of one partition go one way only
// in an epoch, and replicas sort out what is of another.
func (o *outlet) transmit(to partition.NodeID, c class, rank transport.Rank, frame *[]byte) {
	if len(*frame) == 0 {
		return
	}
	if link := o.peers.link(to, c); link == nil || o.silent() || link.SendAs(rank, *frame) != nil {
		o.metrics.unsent.Inc()
	}
	if cap(*frame) > 4*frameBytes {
		*frame = nil // made large by a large value
		return
	}
	*frame = (*frame)[:0]
}

// rest carries out what is neither a record nor a message nor an answer.
func (o *outlet) rest(of *replica.Output) {
	for _, f := range of.Findings {
		o.findings(f)
	}
	for _, p := range of.Proposals {
		o.propose(p)
	}
	for _, s := range of.Snapshots {
		o.snapshots(s)
	}
}

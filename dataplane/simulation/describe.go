package simulation

import (
	"fmt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// describe says a message in one line.
func describe(from partition.NodeID, e *replica.Envelope) string {
	m := &e.Message
	s := fmt.Sprintf("%s > %s %s", from, e.To, kindNames[m.Kind])
	switch m.Kind {
	case replica.BeaconMessage:
		s += fmt.Sprintf(" %d", m.Beacon.ID)
		for _, c := range m.Beacon.Claims {
			s += fmt.Sprintf(" %d@%d", c.Partition, c.Epoch)
		}
		return s
	case replica.BeaconReply:
		s += fmt.Sprintf(" %d", m.Reply.ID)
		for _, r := range m.Reply.Refused {
			s += fmt.Sprintf(" not %d", r.Partition)
		}
		return s
	}
	s += fmt.Sprintf(" %s epoch %d previous %d/%d last %d/%d committed %d", m.Partition, m.Epoch,
		m.Previous.Sequence, m.Previous.Epoch, m.Last.Sequence, m.Last.Epoch, m.Committed)
	if m.Mismatch {
		s += " mismatch"
	}
	for _, e := range m.Entries {
		s += " " + describeEntry(e)
	}
	return s
}

func describeEntry(e *entry.Entry) string {
	return fmt.Sprintf("[%d/%d %s %q %d]", e.Sequence, e.Epoch, entryNames[e.Kind], e.Key, e.Request.Counter)
}

var kindNames = map[replica.MessageKind]string{
	replica.Probe: "probe", replica.ProbeReply: "probe reply", replica.Fetch: "fetch", replica.FetchReply: "fetch reply",
	replica.Append: "append", replica.Ack: "ack", replica.Reject: "reject", replica.Refuse: "refuse", replica.Release: "release",
	replica.BeaconMessage: "beacon", replica.BeaconReply: "beacon reply",
	replica.HashCheck: "hash check", replica.HashReply: "hash reply", replica.Expel: "expel",
}

var entryNames = map[entry.Kind]string{entry.Marker: "marker", entry.Put: "put", entry.Delete: "delete"}

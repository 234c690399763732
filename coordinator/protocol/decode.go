package protocol

import (
	"bytes"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// Decode returns the message in b, which it does not keep. Its error wraps
// ErrMalformed.
func Decode(b []byte) (Message, error) {
	d := &decoder{b: b}
	k := kind(d.byte())
	m := decodeBody(d, k)
	if err := d.done(); err != nil {
		return nil, fmt.Errorf("message of kind %d: %w", k, err)
	}
	return m, nil
}

func decodeBody(d *decoder, k kind) Message {
	switch k {
	case kindHeartbeat:
		return Heartbeat{Report: decodeReport(d)}
	case kindFollow:
		return Follow{Have: decodeStamp(d), Whole: d.bool(), Stop: d.bool(), ClusterID: d.string()}
	case kindSnapshot:
		return Snapshot{Map: decodeMap(d)}
	case kindDelta:
		return Delta{Delta: decodeDelta(d)}
	case kindBeat:
		return Beat{
			Version: d.uint(), Leader: d.string(),
			Members:   decodeList(d, 3, func(d *decoder) Member { return Member{d.string(), d.string(), d.string()} }),
			Suspected: decodeList(d, 1, (*decoder).node), Behind: d.uint(),
		}
	case kindRegister:
		return Register{
			Node: decodeNode(d), ClusterID: d.string(), Application: d.string(),
			Copies:   decodeList(d, 4, decodeCopy),
			Accepted: decodeStart(d), Since: decodeList(d, 9, decodeStart), AcceptedIn: d.uint(), Superseded: d.uint(), Stateless: d.bool(), Map: decodeStamp(d),
		}
	case kindPropose:
		return Propose{Changes: decodeList(d, 7, decodeChange)}
	case kindRecover:
		return Recover{Partition: partition.ID(d.uint32()), Node: d.node(), Unsafe: d.bool(), Confirm: d.bool(), Epoch: partition.Epoch(d.uint()), Operation: d.string()}
	case kindRecoverMap:
		return RecoverMap{Judged: d.uint(), Lost: decodeList(d, 1, (*decoder).node), Confirm: d.bool(), Operation: d.string()}
	case kindNoteRestored:
		return NoteRestored{Term: d.uint(), Index: d.uint()}
	case kindForwarded:
		return Forwarded{Timeout: time.Duration(d.int()), Request: d.rest()}
	case kindTimed:
		return Timed{Timeout: time.Duration(d.int()), Request: d.rest()}
	case kindAsk:
		return Ask{Self: decodeSeen(d), Strangers: decodeList(d, 2, decodeStranger)}
	case kindAnswer:
		return Answer{Self: decodeSeen(d), Group: decodeList(d, 9, decodeSeen), ClusterID: d.string(), Token: d.fixed(), Vacant: d.bool(), Seated: d.bool(), Strangers: decodeList(d, 2, decodeStranger)}
	case kindHints:
		return decodeHints(d)
	case kindOrder:
		return decodeOrder(d)
	case kindReply:
		r := Reply{Code: Code(d.byte()), Text: d.string(), Version: d.uint(), Above: d.uint(), Body: d.rest()}
		if d.err == nil && (r.Code < OK || r.Code > Wait) {
			d.fail(fmt.Sprintf("reply code %d", r.Code))
		}
		return r
	}
	d.fail(fmt.Sprintf("kind %d", k))
	return nil
}

// rest takes all that is left, copied; nil if there is nothing.
func (d *decoder) rest() []byte {
	if len(d.b) == 0 {
		return nil
	}
	out := bytes.Clone(d.b)
	d.b = nil
	return out
}

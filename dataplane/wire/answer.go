package wire

import (
	"encoding/binary"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// Which parts of an answer follow, and what they say.
const (
	answerExisted = 1 << iota
	answerSequence
	answerValue
	answerConfiguration
)

// AppendAnswer appends the encoding of an answer. Its tag and its lease stay
// behind: a leased answer is settled before it is sent.
func AppendAnswer(dst []byte, a *replica.Answer) []byte {
	flags := flag(a.Result.Existed, answerExisted) | flag(a.Result.Sequence != 0, answerSequence) |
		flag(len(a.Value) > 0, answerValue) | flag(a.Configuration != nil, answerConfiguration)
	dst = append(dst, byte(a.Outcome), flags)
	dst = binary.AppendUvarint(dst, uint64(a.Partition))
	dst = binary.AppendUvarint(dst, uint64(a.Epoch))
	dst = binary.LittleEndian.AppendUint32(dst, a.Lineage)
	if flags&answerSequence != 0 {
		dst = binary.AppendUvarint(dst, a.Result.Sequence)
	}
	if flags&answerConfiguration != 0 {
		dst = AppendConfiguration(dst, a.Configuration)
	}
	return append(dst, a.Value...)
}

// DecodeAnswer decodes an answer that is all of b. It shares no memory with b.
// An empty value comes out as nil.
func DecodeAnswer(b []byte) (replica.Answer, error) {
	d := newDecoder("answer", b)
	a := replica.Answer{Outcome: replica.Outcome(d.byte("outcome"))}
	if a.Outcome < replica.Done || a.Outcome > replica.LastOutcome {
		d.fail("outcome")
	}
	flags := d.flags(answerExisted | answerSequence | answerValue | answerConfiguration)
	a.Partition, a.Epoch, a.Lineage = d.partition(), d.epoch(), d.uint32("lineage")
	a.Result.Existed = flags&answerExisted != 0
	if flags&answerSequence != 0 {
		a.Result.Sequence = d.present("sequence")
	}
	if flags&answerConfiguration != 0 {
		a.Configuration = d.configuration()
	}
	if flags&answerValue != 0 {
		value := d.bytes(uint64(len(d.b)), "value")
		if len(value) == 0 {
			d.fail("value")
		}
		_, a.Value = separate(nil, value)
	}
	if err := d.end(); err != nil {
		return replica.Answer{}, err
	}
	return a, nil
}

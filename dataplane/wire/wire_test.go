package wire

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := drawList(t, 3, drawMessage)
		var b []byte
		for i := range sent {
			b = AppendMessage(b, &sent[i])
		}
		var got []replica.Message
		for rest := b; len(rest) > 0; {
			var m replica.Message
			var err error
			if m, rest, err = DecodeMessage(rest); err != nil {
				t.Fatal(err)
			}
			got = append(got, m)
		}
		clear(b) // nothing of it is held
		if !reflect.DeepEqual(got, sent) {
			t.Fatalf("sent %+v\ngot  %+v", sent, got)
		}
	})
}

func TestOperationsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := drawOperation(t)
		remaining, now := time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "remaining")), replica.Time(rapid.Int64Range(0, 1<<50).Draw(t, "now"))
		b := AppendOperation(nil, &sent, remaining)
		got, err := DecodeOperation(b, now)
		if err != nil {
			t.Fatal(err)
		}
		clear(b)
		sent.Deadline = now.Add(remaining)
		if !reflect.DeepEqual(got, sent) {
			t.Fatalf("sent %+v\ngot  %+v", sent, got)
		}
	})
}

func TestAnswersComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := drawAnswer(t)
		b := AppendAnswer(nil, &sent)
		got, err := DecodeAnswer(b)
		if err != nil {
			t.Fatal(err)
		}
		clear(b)
		if !reflect.DeepEqual(got, sent) {
			t.Fatalf("sent %+v\ngot  %+v", sent, got)
		}
	})
}

func TestConfigurationsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := drawConfiguration(t)
		b := AppendConfiguration(nil, sent)
		got, rest, err := DecodeConfiguration(append(b, "rest"...))
		if err != nil || string(rest) != "rest" || !reflect.DeepEqual(got, sent) {
			t.Fatalf("sent %+v\ngot  %+v, %q, %v", sent, got, rest, err)
		}
	})
}

func TestWhatStaysBehind(t *testing.T) {
	t.Parallel()
	op := replica.Operation{Action: replica.Get, Key: []byte("k"), Deadline: 12345, Tag: "mine"}
	got, err := DecodeOperation(AppendOperation(nil, &op, -time.Second), 100)
	if err != nil || got.Tag != nil || got.Deadline != 100 {
		t.Fatalf("got %+v, %v", got, err)
	}
	got, err = DecodeOperation(AppendOperation(nil, &op, math.MaxInt64), 100)
	if err != nil || got.Deadline != math.MaxInt64 {
		t.Fatalf("got %+v, %v", got, err)
	}
	answer := replica.Answer{Outcome: replica.Found, Tag: "mine", Leased: true, LeaseUntil: 5}
	back, err := DecodeAnswer(AppendAnswer(nil, &answer))
	if err != nil || back.Tag != nil || back.Leased || back.LeaseUntil != 0 {
		t.Fatalf("got %+v, %v", back, err)
	}
	message := replica.Message{Kind: replica.Ack, Beacon: &replica.Beacon{}, Reply: &replica.Answering{}}
	m, _, err := DecodeMessage(AppendMessage(nil, &message))
	if err != nil || m.Beacon != nil || m.Reply != nil {
		t.Fatalf("got %+v, %v", m, err)
	}
}

// sample has every part that a message can have.
func sample(kind replica.MessageKind) replica.Message {
	conf := &partition.Configuration{
		ID: 5, Epoch: 7, Lineage: 9, Primary: "n1",
		Replicas: []partition.Replica{{Node: "n1", Store: 1}, {Node: "n2", Store: 2}}, Learners: []partition.Replica{{Node: "n3", Store: 3}},
	}
	m := replica.Message{
		Kind: kind, Partition: 5, Epoch: 7, Configuration: conf, Previous: entry.Position{Sequence: 300, Epoch: 6},
		Last: entry.Position{Sequence: 302, Epoch: 7}, First: 2, Committed: 299, Mismatch: true,
		Entries: []*entry.Entry{
			{Position: entry.Position{Sequence: 301, Epoch: 7}, Kind: entry.Marker},
			{Position: entry.Position{Sequence: 302, Epoch: 7}, Kind: entry.Put, Existed: true, Key: []byte("key"), Value: []byte("value"),
				Request: entry.RequestID{Origin: 1, Boot: 2, Counter: 3}, LowestOpen: 2},
		},
	}
	switch kind {
	case replica.HashReply:
		m.Hash = 1 << 60
	case replica.BeaconMessage:
		m.Beacon = &replica.Beacon{ID: 4, Lease: time.Second, Claims: []replica.Claim{{Partition: 5, Epoch: 7, Configuration: conf, Grant: time.Second}, {Partition: 6, Epoch: 1}}}
	case replica.BeaconReply:
		m.Reply = &replica.Answering{ID: 4, Shortage: replica.ShortOfDisk, Refused: []replica.Refusal{{Partition: 5, Configuration: conf}, {Partition: 6}}}
	}
	return m
}

func sampleOperation() replica.Operation {
	tags := []entry.ETag{{Lineage: 1, Sequence: 2}, {Lineage: 3, Sequence: 400}}
	return replica.Operation{
		Action: replica.Put, Partition: 5, Epoch: 7, Key: []byte("key"), Value: []byte("value"), LowestOpen: 2,
		Condition: replica.Condition{IfMatch: tags, IfMatchAny: true, IfNoneMatch: tags, IfNoneMatchStar: true},
		Request:   entry.RequestID{Origin: 1, Boot: 2, Counter: 3},
	}
}

// An encoding that is cut off anywhere is refused, and so is one with a byte too
// many where it is all there is.
func TestCutOff(t *testing.T) {
	t.Parallel()
	refused := func(what string, at int, err error) {
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "malformed "+what+": bad ") {
			t.Errorf("%s of %d bytes: %v", what, at, err)
		}
	}
	for kind := replica.Probe; int(kind) < replica.Kinds; kind++ {
		m := sample(kind)
		whole := AppendMessage(nil, &m)
		for n := range whole {
			_, _, err := DecodeMessage(whole[:n])
			refused("message", n, err)
		}
	}
	op := sampleOperation()
	whole := AppendOperation(nil, &op, time.Second)
	for n := range whole {
		_, err := DecodeOperation(whole[:n], 0)
		refused("operation", n, err)
	}
	_, err := DecodeOperation(append(whole, 0), 0)
	refused("operation", len(whole)+1, err)

	conf := sample(replica.Append).Configuration
	whole = AppendConfiguration(nil, conf)
	for n := range whole {
		_, _, err := DecodeConfiguration(whole[:n])
		refused("configuration", n, err)
	}
	answer := replica.Answer{Outcome: replica.NotPrimary, Partition: 5, Epoch: 7, Result: entry.Result{Sequence: 1}, Configuration: conf}
	whole = AppendAnswer(nil, &answer)
	for n := range whole {
		_, err := DecodeAnswer(whole[:n])
		refused("answer", n, err)
	}
	_, err = DecodeAnswer(append(whole, 0))
	refused("answer", len(whole)+1, err)
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	append1 := sample(replica.Append)
	corrupt := AppendMessage(nil, &append1)
	corrupt[len(corrupt)-1] ^= 1
	message := func(b []byte) error { _, _, err := DecodeMessage(b); return err }
	operation := func(b []byte) error { _, err := DecodeOperation(b, 0); return err }
	answer := func(b []byte) error { _, err := DecodeAnswer(b); return err }
	ack, beacon, put, done := byte(replica.Ack), byte(replica.BeaconMessage), byte(replica.Put), byte(replica.Done)
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	for _, c := range []struct {
		name   string
		decode func([]byte) error
		b      []byte
		want   string
	}{
		{"message kind zero", message, []byte{0, 0, 1, 1}, "bad kind"},
		{"message kind unknown", message, []byte{200, 0, 1, 1}, "bad kind"},
		{"partition beyond 32 bits", message, append([]byte{ack, 0}, huge...), "bad partition"},
		{"number longer than need be", message, []byte{ack, 0, 0x81, 0x00, 1}, "bad partition"},
		{"zero that need not be there", message, []byte{ack, hasCommitted, 1, 1, 0}, "bad committed"},
		{"position zero", message, []byte{ack, hasLast, 1, 1, 0, 0}, "bad last"},
		{"beacon in another kind", message, []byte{ack, hasBeacon, 1, 1, 0, 0, 0}, "bad flags"},
		{"more claims than bytes", message, []byte{beacon, hasBeacon, 0, 0, 1, 1, 100, 1, 0, 1}, "bad claims"},
		{"more claims than memory", message, append([]byte{beacon, hasBeacon, 0, 0, 1, 1, 0}, huge...), "bad claims"},
		{"lease beyond 63 bits", message, append([]byte{beacon, hasBeacon, 0, 0, 1}, huge...), "bad lease"},
		{"unknown claim", message, []byte{beacon, hasBeacon, 0, 0, 1, 1, 0, 1, 1, 0x80, 1}, "bad flags"},
		{"grant of zero", message, []byte{beacon, hasBeacon, 0, 0, 1, 1, 0, 1, 1, claimGrant, 1, 0}, "bad grant"},
		{"no entries", message, []byte{ack, hasEntries, 1, 1, 0, 0, 0, 0, 0}, "bad entries"},
		{"more entries than bytes", message, append([]byte{ack, hasEntries, 1, 1, 3, 9, 0, 0, 0}, make([]byte, 30)...), "bad entries"},
		{"corrupt entry", message, corrupt, "bad entry"},
		{"action unknown", operation, []byte{9, 0, 1, 1, 1, 0, 0}, "bad action"},
		{"operation's flags unknown", operation, []byte{put, 0x80, 1, 1, 1, 0, 0}, "bad flags"},
		{"request of zeros", operation, append([]byte{put, hasRequest, 1, 1, 1}, make([]byte, 13)...), "bad request"},
		{"no ETags", operation, []byte{put, hasIfMatch, 1, 1, 1, 0, 0, 0}, "bad if-match"},
		{"key longer than there is", operation, []byte{put, 0, 1, 1, 1, 9, 0, 'k'}, "bad key"},
		{"value longer than there is", operation, append([]byte{put, 0, 1, 1, 1, 1}, append(huge, 'k')...), "bad value"},
		{"outcome unknown", answer, []byte{99, 0, 1, 1, 0, 0, 0, 0}, "bad outcome"},
		{"answer's flags unknown", answer, []byte{done, 0x40, 1, 1, 0, 0, 0, 0}, "bad flags"},
		{"empty value", answer, []byte{done, answerValue, 1, 1, 0, 0, 0, 0}, "bad value"},
		{"more replicas than bytes", answer, append([]byte{done, answerConfiguration, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0}, huge...), "bad replicas"},
	} {
		if err := c.decode(c.b); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := message(corrupt); !errors.Is(err, entry.ErrCorrupt) {
		t.Errorf("corrupt entry: %v", err)
	}
}

// What a decoder accepts is what the encoder writes, byte for byte.

func FuzzMessage(f *testing.F) {
	for kind := replica.Probe; int(kind) < replica.Kinds; kind++ {
		m := sample(kind)
		f.Add(AppendMessage(nil, &m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, rest, err := DecodeMessage(b)
		if err != nil {
			return
		}
		if again := AppendMessage(nil, &m); !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Fatalf("%x\n%x", b, again)
		}
	})
}

func FuzzOperation(f *testing.F) {
	op := sampleOperation()
	f.Add(AppendOperation(nil, &op, time.Second))
	f.Add(AppendOperation(nil, &replica.Operation{Action: replica.Get, Key: []byte("k")}, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		op, err := DecodeOperation(b, 0)
		if err != nil {
			return
		}
		if again := AppendOperation(nil, &op, op.Deadline.Sub(0)); !bytes.Equal(again, b) {
			t.Fatalf("%x\n%x", b, again)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	conf := sample(replica.Append).Configuration
	f.Add(AppendAnswer(nil, &replica.Answer{Outcome: replica.Found, Value: []byte("value"), Result: entry.Result{Sequence: 1, Existed: true}}))
	f.Add(AppendAnswer(nil, &replica.Answer{Outcome: replica.NotPrimary, Configuration: conf}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAnswer(b)
		if err != nil {
			return
		}
		if again := AppendAnswer(nil, &a); !bytes.Equal(again, b) {
			t.Fatalf("%x\n%x", b, again)
		}
	})
}

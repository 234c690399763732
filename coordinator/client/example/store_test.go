package main

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

func fromEpoch(least partition.Epoch) func(partition.Epoch) error {
	return func(epoch partition.Epoch) error {
		if epoch < least {
			return errors.New("fenced")
		}
		return nil
	}
}

func writeOf(epoch partition.Epoch, sequence uint64, key string) write {
	return write{Epoch: epoch, Key: blob{key}, value: value{Sequence: sequence, Value: blob{"w"}}}
}

func TestACopyTakesNothingOfAnEpochThatIsOver(t *testing.T) {
	t.Parallel()
	h := held{accept: fromEpoch(2)}
	if err := h.apply(writeOf(2, 5, "k")); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a write":  h.apply(writeOf(1, 9, "k")),
		"content":  h.replace(state{Epoch: 1, Sequence: 9}),
		"a reader": h.confirm(1),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if v, _ := h.get("k"); v.Sequence != 5 {
		t.Errorf("%+v", v)
	}
}

// Messages overtake each other: what is newer stays, whichever came first.
func TestTheHigherSequenceStays(t *testing.T) {
	t.Parallel()
	h := held{accept: fromEpoch(1)}
	for _, sequence := range []uint64{20, 10} {
		if err := h.apply(writeOf(1, sequence, "k")); err != nil {
			t.Fatal(err)
		}
	}
	if v, _ := h.get("k"); v.Sequence != 20 {
		t.Errorf("after the writes %+v", v)
	}
	if err := h.apply(writeOf(1, 11, "gone")); err != nil {
		t.Fatal(err)
	}
	copied := state{Epoch: 1, Sequence: 15, Values: map[blob]value{{"k"}: {Sequence: 12}, {"old"}: {Sequence: 3}}}
	if err := h.replace(copied); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]uint64{"k": 20, "old": 3, "gone": 0} {
		if v, _ := h.get(key); v.Sequence != want {
			t.Errorf("%s after the copy %+v, want sequence %d", key, v, want)
		}
	}
	if h.apply(writeOf(1, 14, "old")) == nil || h.replace(state{Epoch: 1, Sequence: 14}) == nil {
		t.Error("what is older than the content was taken")
	}
}

// What a replica gets is what the primary has, byte for byte.
func TestKeysAndValuesTravelAsTheyAre(t *testing.T) {
	t.Parallel()
	sent := state{Epoch: 1, Sequence: 9, Values: map[blob]value{}}
	for i, text := range []string{"", "a", "\xff", "\xfe", "\ufffd", "a\xed\xa0\x80", "\x00\n<&>"} {
		sent.Values[blob{text}] = value{Sequence: uint64(i), Value: blob{"of " + text}}
	}
	text, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got state
	if err := json.Unmarshal(text, &got); err != nil || !maps.Equal(got.Values, sent.Values) {
		t.Errorf("%v became %v: %v", sent.Values, got.Values, err)
	}
	one := writeOf(1, 5, "\xff")
	one.Value = blob{"\xfe"}
	if text, err = json.Marshal(one); err != nil {
		t.Fatal(err)
	}
	var back write
	if err := json.Unmarshal(text, &back); err != nil || back != one {
		t.Errorf("%+v became %+v: %v", one, back, err)
	}
}

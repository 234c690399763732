package main

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/holdfast-io/holdfast/partition"
)

// errOlder says that a message is from before the content that is here.
var errOlder = errors.New("newer content is here")

// value is what a key has, with the sequence of the write that it is from.
type value struct {
	Sequence uint64 `json:"sequence"`
	Value    blob   `json:"value"`
}

// state is a partition's whole content, as far as it is older than a sequence.
type state struct {
	Epoch    partition.Epoch `json:"epoch"`
	Sequence uint64          `json:"sequence"`
	Values   map[blob]value  `json:"values"`
}

// write is one change.
type write struct {
	Epoch partition.Epoch `json:"epoch"`
	Key   blob            `json:"key"`
	value
}

// held is this server's copy of a partition.
type held struct {
	// accept asks the library whether something of an epoch may be stored. It is
	// called under mu: nothing of an epoch that is over is stored after a later
	// primary has looked at what is here.
	accept func(partition.Epoch) error

	mu     sync.Mutex
	since  uint64 // sequence of the state that was taken last
	values map[blob]value
}

// confirm reports whether an epoch is not over.
func (h *held) confirm(epoch partition.Epoch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.accept(epoch)
}

// apply stores a write. Writes come in any order: the one with the highest sequence
// stays.
func (h *held) apply(w write) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.accept(w.Epoch); err != nil {
		return err
	}
	if w.Sequence < h.since {
		return fmt.Errorf("write %d: %w: as of %d", w.Sequence, errOlder, h.since)
	}
	if h.values[w.Key].Sequence < w.Sequence {
		h.set(w.Key, w.value)
	}
	return nil
}

// replace takes a whole content: of what is here, only that stays which the primary
// has written since.
func (h *held) replace(s state) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.accept(s.Epoch); err != nil {
		return err
	}
	if s.Sequence < h.since {
		return fmt.Errorf("content as of %d: %w: as of %d", s.Sequence, errOlder, h.since)
	}
	h.since = s.Sequence
	maps.DeleteFunc(h.values, func(_ blob, v value) bool { return v.Sequence < s.Sequence })
	for key, v := range s.Values {
		if h.values[key].Sequence < v.Sequence {
			h.set(key, v)
		}
	}
	return nil
}

func (h *held) set(key blob, v value) {
	if h.values == nil {
		h.values = map[blob]value{}
	}
	h.values[key] = v
}

func (h *held) get(key string) (value, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.values[blob{key}]
	return v, ok
}

// content is what is here.
func (h *held) content() map[blob]value {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.values)
}

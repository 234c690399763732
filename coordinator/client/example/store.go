package main

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/holdfast-io/holdfast/partition"
)

// errFenced says that a message is of an epoch that is over.
var errFenced = errors.New("a later epoch has begun")

// state is a partition's whole content as of one write.
type state struct {
	Epoch    partition.Epoch   `json:"epoch"`
	Sequence uint64            `json:"sequence"`
	Values   map[string]string `json:"values"`
}

// write is one change, in the order that the primary gave it.
type write struct {
	Epoch    partition.Epoch `json:"epoch"`
	Sequence uint64          `json:"sequence"`
	Key      string          `json:"key"`
	Value    string          `json:"value"`
}

// held is this server's copy of a partition. The epoch is the fence: what was
// sent in an earlier one is refused, so a primary that has been replaced, and does
// not know it yet, cannot get a write to all replicas any more.
type held struct {
	mu sync.Mutex
	state
}

// enter begins an epoch; whatever is sent in an earlier one is refused from now on.
func (h *held) enter(epoch partition.Epoch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if epoch < h.Epoch {
		return fmt.Errorf("epoch %d: %w: %d", epoch, errFenced, h.Epoch)
	}
	h.Epoch = epoch
	return nil
}

// replace takes the primary's whole content.
func (h *held) replace(s state) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.Epoch < h.Epoch {
		return fmt.Errorf("content of epoch %d: %w: %d", s.Epoch, errFenced, h.Epoch)
	}
	h.state = s
	return nil
}

// apply takes the next write of the epoch that the copy is in.
func (h *held) apply(w write) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case w.Epoch != h.Epoch:
		return fmt.Errorf("write of epoch %d: %w: %d", w.Epoch, errFenced, h.Epoch)
	case w.Sequence != h.Sequence+1:
		return fmt.Errorf("write %d does not follow %d", w.Sequence, h.Sequence)
	}
	if h.Values == nil {
		h.Values = map[string]string{}
	}
	h.Sequence, h.Values[w.Key] = w.Sequence, w.Value
	return nil
}

func (h *held) get(key string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.Values[key]
	return v, ok
}

// copy returns the content, to be sent in an epoch.
func (h *held) copy(epoch partition.Epoch) state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return state{Epoch: epoch, Sequence: h.Sequence, Values: maps.Clone(h.Values)}
}

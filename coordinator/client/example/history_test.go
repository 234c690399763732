package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-io/holdfast/partition"
)

// Half of the requests are for few keys, so that much is read and written at the same
// time; the others for many, so that a write that is missing is not soon overwritten.
const hotKeys, coldKeys = 12, 4000

func anyKey() string {
	if rand.IntN(2) == 0 {
		return fmt.Sprintf("hot-%d", rand.IntN(hotKeys))
	}
	return fmt.Sprintf("cold-%d", rand.IntN(coldKeys))
}

// history is what clients saw.
type history struct {
	mu         sync.Mutex
	operations []porcupine.Operation
	acked      map[string]uint64 // the highest sequence that was acknowledged, by key
}

type operation struct {
	key     string
	put     bool
	value   string // written or read; "" for none
	unknown bool   // it may take effect at any time after its call
}

// register is one key.
var register = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range all {
			key := o.Input.(operation).key
			byKey[key] = append(byKey[key], o)
		}
		var out [][]porcupine.Operation
		for _, list := range byKey {
			out = append(out, list)
		}
		return out
	},
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		o := input.(operation)
		if o.put {
			return true, o.value
		}
		return state == o.value, state
	},
}

// load has clients write and read all keys at all servers until ctx ends.
func (w *world) load(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			web := &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{}}
			defer web.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				o := operation{key: anyKey(), put: rand.IntN(10) < 6}
				if o.put {
					o.value = fmt.Sprintf("%d.%d.%d", i, n, rand.Uint32())
				}
				call := time.Since(w.began)
				if w.do(web, &o) {
					w.note(i, o, call, time.Since(w.began))
				}
				pause(ctx, rand.N(4*time.Millisecond))
			}
		})
	}
	return &wg
}

// do makes one request; false where it had, and will have, no effect and tells nothing.
func (w *world) do(web *http.Client, o *operation) bool {
	method := http.MethodGet
	if o.put {
		method = http.MethodPut
	}
	r, err := http.NewRequestWithContext(context.Background(), method, w.any().http.URL+"/kv/"+o.key, strings.NewReader(o.value))
	if err != nil {
		panic(err)
	}
	answer, err := web.Do(r)
	if err != nil {
		o.unknown = true
		return o.put
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case answer.StatusCode == http.StatusNoContent && o.put:
		sequence, _ := strconv.ParseUint(answer.Header.Get(sequenceOf), 10, 64)
		w.history.mu.Lock()
		w.history.acked[o.key] = max(w.history.acked[o.key], sequence)
		w.history.mu.Unlock()
		return true
	case answer.StatusCode == http.StatusOK && !o.put && err == nil:
		o.value = string(body)
		return true
	case answer.StatusCode == http.StatusNotFound && !o.put:
		o.value = ""
		return true
	case answer.StatusCode == http.StatusServiceUnavailable:
		return false // it says that nothing was done
	}
	o.unknown = true
	return o.put
}

func (w *world) note(who int, o operation, call, returned time.Duration) {
	end := returned
	if o.unknown {
		end = time.Hour
	}
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	w.history.operations = append(w.history.operations, porcupine.Operation{
		ClientId: who, Input: o, Call: int64(call), Return: int64(end),
	})
}

// judge says what is wrong with what the clients saw, and with what the servers have;
// nothing changes meanwhile.
func (w *world) judge() (faults []string) {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	for _, n := range w.all() {
		for i := range n.copies {
			p, err := n.client.GetPartitionByID(partition.ID(i))
			if err != nil || !p.Configuration.InSync(n.client.NodeID()) {
				continue
			}
			content := n.copies[i].content()
			for key, sequence := range w.history.acked {
				if partition.OfString(key, len(n.copies)) == p.Number && content[blob{key}].Sequence < sequence {
					faults = append(faults, fmt.Sprintf("%s is in sync for %s in epoch %d: of %s it has write %d, and %d was acknowledged",
						n.client.NodeID(), p.ID, p.Epoch, key, content[blob{key}].Sequence, sequence))
				}
			}
		}
	}
	slices.Sort(faults)
	if result := porcupine.CheckOperationsTimeout(register, w.history.operations, 20*time.Second); result == porcupine.Illegal {
		faults = append(faults, "what the clients saw is not linearizable")
	}
	return faults
}

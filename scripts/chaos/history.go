package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// outcome is what a client knows of its operation's end.
type outcome string

const (
	applied    outcome = "applied"     // done, or for a read: answered
	failedTest outcome = "failed-test" // 412: the condition did not hold
	notApplied outcome = "not-applied" // never applied, and never will be
	unknown    outcome = "unknown"     // may have been applied, or may yet be
)

// kind is what an operation does to its key.
type kind string

const (
	get      kind = "get"
	put      kind = "put"
	deletion kind = "delete"
	create   kind = "create" // put if there is no value
	swap     kind = "swap"   // put if the value is still the one read before
)

// operation is one line of the history. Values are unique, so that an ETag can
// be told by its value.
type operation struct {
	Client   int           `json:"client"`
	Node     string        `json:"node"`
	Kind     kind          `json:"kind"`
	Key      string        `json:"key"`
	Value    string        `json:"value,omitempty"`    // written
	Expected string        `json:"expected,omitempty"` // swap: the value that must be there
	Call     time.Duration `json:"call"`               // since the run began
	Return   time.Duration `json:"return"`
	Outcome  outcome       `json:"outcome"`
	Found    bool          `json:"found,omitempty"` // get: there was a value; put and delete: there was one before
	Read     string        `json:"read,omitempty"`  // get: the value
	ETag     string        `json:"etag,omitempty"`  // of the value read or written
	Detail   string        `json:"detail,omitempty"`
}

func (o *operation) write() bool { return o.Kind != get }

// acknowledged reports whether the operation was a write that was applied.
func (o *operation) acknowledged() bool { return o.write() && o.Outcome == applied }

// history collects operations, and keeps them in a file too.
type history struct {
	mu         sync.Mutex
	operations []operation
	file       *os.File
	out        *bufio.Writer
	fault      error // of the file
}

func newHistory(path string) (*history, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &history{file: f, out: bufio.NewWriter(f)}, nil
}

func (h *history) add(o operation) {
	line, err := json.Marshal(o)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, o)
	if err == nil {
		_, err = h.out.Write(append(line, '\n'))
	}
	if err != nil && h.fault == nil {
		h.fault = err
	}
}

// close ends the file and returns the operations.
func (h *history) close() ([]operation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range []error{h.fault, h.out.Flush(), h.file.Close()} {
		if err != nil {
			return h.operations, fmt.Errorf("history: %w", err)
		}
	}
	return h.operations, nil
}

// readHistory reads a file that an earlier run has kept.
func readHistory(path string) ([]operation, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []operation
	for d := json.NewDecoder(f); d.More(); {
		var o operation
		if err := d.Decode(&o); err != nil {
			return nil, fmt.Errorf("history, operation %d: %w", len(out)+1, err)
		}
		out = append(out, o)
	}
	return out, nil
}

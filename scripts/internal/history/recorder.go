package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
)

// Recorder collects operations, and keeps them in a file too. Its methods may be
// called from any goroutine.
type Recorder struct {
	mu         sync.Mutex
	operations []Operation
	file       *os.File
	out        *bufio.Writer
	fault      error // of the file
}

// NewRecorder creates the file.
func NewRecorder(path string) (*Recorder, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &Recorder{file: f, out: bufio.NewWriter(f)}, nil
}

// Add appends an operation that has ended.
func (r *Recorder) Add(o Operation) {
	line, err := json.Marshal(o)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations = append(r.operations, o)
	if err == nil {
		_, err = r.out.Write(append(line, '\n'))
	}
	if err != nil && r.fault == nil {
		r.fault = err
	}
}

// Keys returns the keys of all operations so far, sorted.
func (r *Recorder) Keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var keys []string
	for i := range r.operations {
		keys = append(keys, r.operations[i].Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Operations returns a copy of the operations so far.
func (r *Recorder) Operations() []Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.operations)
}

// Close ends the file and returns the operations.
func (r *Recorder) Close() ([]Operation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, err := range []error{r.fault, r.out.Flush(), r.file.Close()} {
		if err != nil {
			return r.operations, fmt.Errorf("history: %w", err)
		}
	}
	return r.operations, nil
}

// Read reads the file of an earlier run.
func Read(path string) ([]Operation, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Operation
	for d := json.NewDecoder(f); d.More(); {
		var o Operation
		if err := d.Decode(&o); err != nil {
			return nil, fmt.Errorf("history, operation %d: %w", len(out)+1, err)
		}
		out = append(out, o)
	}
	return out, nil
}

package storage

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// formatVersion is that of everything in the directory. It rises when an
// earlier program could not read, or would misread, what this one writes.
const formatVersion = 4

const storeFile = "store.json"

var (
	// ErrOtherFormat says that another version of the program, whose format
	// this one does not know, has written the data directory.
	ErrOtherFormat = errors.New("written by another version of holdfast")
	// ErrWrongNode says that the data directory belongs to another node.
	ErrWrongNode = errors.New("belongs to another node")
	// ErrWrongCluster says that the data directory belongs to another cluster.
	ErrWrongCluster = errors.New("belongs to another cluster")
)

// Identity is what a data directory knows of itself.
type Identity struct {
	ClusterID   string // "" until BindCluster
	NodeID      partition.NodeID
	StoreID     partition.StoreID
	Start       partition.Start // of this process: drawn, and synced, by Open
	HeldPromise time.Duration   // the longest promise an earlier start may have given
	// Accepted is the last start on this store that the coordinators accepted, as
	// AcceptStart noted it; zero: none. Since are the starts between it and this
	// one, oldest first, at most 1,000.
	Accepted partition.Start
	Since    []partition.Start
	// AcceptedIn is the version of a map that named Accepted.
	AcceptedIn uint64
}

// maxStarts bounds the starts that are remembered beside the accepted one. The
// oldest is dropped: that can make the coordinators refuse this directory
// wrongly, but never accept it wrongly.
const maxStarts = 1000

// storeState is the content of store.json.
type storeState struct {
	FormatVersion int               `json:"format_version"`
	ClusterID     string            `json:"cluster_id"`
	NodeID        partition.NodeID  `json:"node_id"`
	StoreID       partition.StoreID `json:"store_id"`
	Start         partition.Start   `json:"start"`
	Accepted      partition.Start   `json:"accepted"`
	AcceptedIn    uint64            `json:"accepted_in"`
	Since         []partition.Start `json:"since,omitempty"`
	// Above is a counter that the next start must exceed, beside its own.
	Above       uint64        `json:"above,omitempty"`
	HeldPromise time.Duration `json:"held_promise_ns"`
	// LogEnd is an index that the log is known to have reached: a log that ends
	// before it has lost records.
	LogEnd uint64 `json:"log_end"`
	// Checksum is of all the other fields, as encode writes them with zero here:
	// a promise or an incarnation that is a little wrong would pass unnoticed.
	Checksum uint32 `json:"checksum"`
}

// equal reports whether two states say the same.
func (s *storeState) equal(o *storeState) bool {
	a, b := *s, *o
	a.Since, b.Since = nil, nil
	return reflect.DeepEqual(a, b) && slices.Equal(s.Since, o.Since)
}

// nextStart begins a start of the node's process on the store.
func (s *storeState) nextStart() {
	if !s.Start.IsZero() && s.Start != s.Accepted {
		s.Since = append(s.Since, s.Start)
		s.Since = s.Since[max(0, len(s.Since)-maxStarts):]
	}
	s.Start = partition.Start{Incarnation: max(s.Start.Incarnation, s.Above) + 1, ID: partition.StartID(randomID())}
}

// encode gives the state its checksum.
func (s storeState) encode() ([]byte, error) {
	s.Checksum = 0
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	s.Checksum = checksum(b)
	b, err = json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

func decodeStore(b []byte) (storeState, error) {
	var s storeState
	var version struct {
		FormatVersion int `json:"format_version"`
	}
	// The version alone first: a later one may have fields that this one lacks.
	if err := json.Unmarshal(b, &version); err != nil {
		return s, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if version.FormatVersion > formatVersion || version.FormatVersion > 0 && version.FormatVersion < formatVersion {
		return s, fmt.Errorf("%w: it has format version %d, this program knows %d; start it on an empty directory, and the node is filled from the others", ErrOtherFormat, version.FormatVersion, formatVersion)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.FormatVersion < 1 || s.NodeID == "" || s.StoreID == 0 || s.Start.Incarnation == 0 || s.Start.ID == 0 || len(s.Since) > maxStarts || s.HeldPromise < 0 {
		return s, fmt.Errorf("%w: a field is missing", ErrDamaged)
	}
	if again, err := s.encode(); err != nil || !bytes.Equal(again, b) {
		return s, fmt.Errorf("%w: it is not as it was written: wrong checksum", ErrDamaged)
	}
	return s, nil
}

// identityFile is store.json, open.
type identityFile struct {
	path string
	mu   sync.Mutex
	now  storeState
}

// readIdentity reads store.json; found is false where there is none yet, and
// the state is then that of a new store.
func readIdentity(dir string, node partition.NodeID) (f *identityFile, found bool, err error) {
	f = &identityFile{path: filepath.Join(dir, storeFile)}
	b, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		f.now = storeState{FormatVersion: formatVersion, NodeID: node, StoreID: partition.StoreID(randomID())}
		return f, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read store identity: %w", err)
	}
	s, err := decodeStore(b)
	if err != nil {
		return nil, false, fmt.Errorf("store identity %s: %w", f.path, err)
	}
	if s.NodeID != node {
		return nil, false, fmt.Errorf("data directory %s %w: its node is %q, this one is %q", dir, ErrWrongNode, s.NodeID, node)
	}
	f.now = s
	return f, true, nil
}

// randomID returns a random number that is not zero.
func randomID() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails, says its documentation
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id
		}
	}
}

func (f *identityFile) get() storeState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// update changes the state; it is durable on return. On an error the file is
// the old one or the new one.
func (f *identityFile) update(change func(*storeState) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.now
	next.Since = slices.Clone(f.now.Since)
	if err := change(&next); err != nil {
		return err
	}
	if next.equal(&f.now) {
		return nil
	}
	b, err := next.encode()
	if err != nil {
		return fmt.Errorf("write store identity: %w", err)
	}
	if err := replaceFile(f.path, b); err != nil {
		return fmt.Errorf("write store identity: %w", err)
	}
	f.now = next
	return nil
}

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
	Incarnation uint64        // of this boot: raised, and synced, by Open
	HeldPromise time.Duration // the longest promise an earlier boot may have given
}

// storeState is the content of store.json.
type storeState struct {
	FormatVersion int               `json:"format_version"`
	ClusterID     string            `json:"cluster_id"`
	NodeID        partition.NodeID  `json:"node_id"`
	StoreID       partition.StoreID `json:"store_id"`
	Incarnation   uint64            `json:"incarnation"`
	HeldPromise   time.Duration     `json:"held_promise_ns"`
	// LogEnd is an index that the log is known to have reached: a log that ends
	// before it has lost records.
	LogEnd uint64 `json:"log_end"`
	// Checksum is of all the other fields, as encode writes them with zero here:
	// a promise or an incarnation that is a little wrong would pass unnoticed.
	Checksum uint32 `json:"checksum"`
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
	if s.FormatVersion < 1 || s.NodeID == "" || s.StoreID == 0 || s.Incarnation == 0 || s.HeldPromise < 0 {
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
	if err := change(&next); err != nil {
		return err
	}
	if next == f.now {
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

package coordinator

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	memberFile    = "member.json"
	memberFormat  = 1
	raftFile      = "raft.db"
	snapshotsPath = "snapshots"
)

// member is what a coordinator knows of itself and of the group apart from
// Raft: the contents of member.json. It is what tells a new member from an
// emptied one.
type member struct {
	Format int               `json:"format"`
	ID     string            `json:"id"`
	Store  partition.StoreID `json:"store_id"` // made with the directory
	// Group is who makes the group, each with its directory's identity. It is
	// written before Raft has any state.
	Group []groupMember `json:"group,omitempty"`
	// Token is that of the group, where this directory was given a founding
	// member's place later; 0: it follows from the group.
	Token uint64 `json:"token,omitempty"`
	// Started is written before Raft runs for the first time: from then on
	// Raft's files must be there.
	Started bool `json:"started,omitempty"`
	// Restored is the last entry of a directory that was put back from a backup, by
	// MarkRestored; zero: none was, or the group has noted it.
	Restored state.LogPosition `json:"restored,omitzero"`
	// What the cluster was created with, once this member has applied it.
	ClusterID   string             `json:"cluster_id,omitempty"`
	Application string             `json:"application,omitempty"`
	Settings    partition.Settings `json:"settings,omitzero"`
}

// groupMember is a founding member: its directory, and its address at that time.
type groupMember struct {
	ID    string            `json:"id"`
	Store partition.StoreID `json:"store_id"`
	Addr  string            `json:"peer_addr"`
}

// seen is the group as the protocol says it.
func (m *member) seen() []protocol.Seen {
	out := make([]protocol.Seen, len(m.Group))
	for i, g := range m.Group {
		out[i] = protocol.Seen{ID: g.ID, Store: g.Store}
	}
	return out
}

// token identifies the group on Raft's connections, so that members of two
// groups that were given each other's addresses never vote together.
func (m *member) token() uint64 {
	if m.Token != 0 {
		return m.Token
	}
	h := xxhash.New()
	for _, g := range m.Group {
		fmt.Fprintf(h, "%s=%v\n", g.ID, g.Store)
	}
	return h.Sum64()
}

// loadMember reads the directory's member.json, or makes it if the directory
// has no state at all.
func loadMember(dir, id string) (*member, error) {
	m, err := readMember(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Join(dir, raftFile)); err == nil {
			return nil, fmt.Errorf("open %s: %s is missing, but %s is there: the directory is damaged", dir, memberFile, raftFile)
		}
		m := &member{Format: memberFormat, ID: id, Store: randomStore()}
		return m, m.save(dir)
	case err != nil:
		return nil, fmt.Errorf("open coordinator's directory: %w", err)
	case m.ID != id:
		return nil, fmt.Errorf("open %s: the directory belongs to coordinator %q, not to %q", dir, m.ID, id)
	}
	if err := m.checkRaftFile(dir); err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return m, nil
}

// checkRaftFile refuses a directory that Raft ran on, and that lacks its file: it could
// vote committed changes away.
func (m *member) checkRaftFile(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, raftFile)); m.Started && err != nil {
		return fmt.Errorf("coordinator %s has run before, but %s is gone: %w", m.ID, raftFile, errReplace(m.ID))
	}
	return nil
}

// readMember reads the directory's member.json.
func readMember(dir string) (*member, error) {
	path := filepath.Join(dir, memberFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(member)
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if m.Format != memberFormat {
		return nil, fmt.Errorf("read %s: format %d is not known to this program, only %d; start the version of holdfast that wrote it", path, m.Format, memberFormat)
	}
	return m, nil
}

// save writes member.json whole and synced, or leaves the old one.
func (m *member) save(dir string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", memberFile, err)
	}
	if err := replaceFile(filepath.Join(dir, memberFile), append(raw, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", memberFile, err)
	}
	return nil
}

func replaceFile(path string, content []byte) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// makeDir makes a directory and its parents, durably: a power loss must not take
// the directory with everything that is synced in it.
func makeDir(path string) error {
	parent := filepath.Dir(path)
	if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	err := os.Mkdir(path, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	found := err != nil
	if err := syncDir(parent); err != nil && !(found && errors.Is(err, fs.ErrPermission)) {
		return err // who may not even read the parent has not made the directory
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func randomStore() partition.StoreID {
	for {
		if v := random64(); v != 0 {
			return partition.StoreID(v)
		}
	}
}

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, as its documentation says
	return binary.LittleEndian.Uint64(b[:])
}

func sortedGroup(g []groupMember) []groupMember {
	slices.SortFunc(g, func(a, b groupMember) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return g
}

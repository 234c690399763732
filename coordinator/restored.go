package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
)

// Marked is the coordinator whose directory MarkRestored has marked.
type Marked struct {
	ID        string `json:"id"`
	ClusterID string `json:"cluster_id"`
	// Last is the last entry that the backup has.
	Last state.LogPosition `json:"last"`
}

// MarkRestored marks a coordinator's directory as put back from a backup. At its next
// start the group takes its map for an old one before it decides anything, and waits
// for RecoverMap. It takes the directory's lock: no process may run on it. One that is
// marked already is marked anew.
func MarkRestored(dir string) (Marked, error) {
	m, err := markRestored(dir)
	if err != nil {
		return Marked{}, fmt.Errorf("mark %s: %w", dir, err)
	}
	return Marked{ID: m.ID, ClusterID: m.ClusterID, Last: m.Restored}, nil
}

func markRestored(dir string) (*member, error) {
	if _, err := os.Stat(filepath.Join(dir, memberFile)); err != nil { // before a lock is made in it
		return nil, fmt.Errorf("it is no coordinator's directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock() //nolint:errcheck // it is released with the process
	m, err := readMember(dir)
	switch {
	case err != nil:
		return nil, err
	case !m.Started:
		return nil, fmt.Errorf("coordinator %s has not joined a group yet: nothing of one was restored", m.ID)
	}
	if err := m.checkRaftFile(dir); err != nil { // before one is made
		return nil, err
	}
	if m.Restored, err = lastEntry(dir); err != nil {
		return nil, err
	}
	return m, m.save(dir)
}

// lastEntry is the last entry that Raft has in a directory.
func lastEntry(dir string) (last state.LogPosition, err error) {
	conf := raft.DefaultConfig()
	conf.Logger = newRaftLog(slog.New(slog.DiscardHandler))
	store, snapshots, err := openRaftFiles(dir, conf)
	if err != nil {
		return last, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	index, err := store.LastIndex()
	if err != nil {
		return last, fmt.Errorf("read Raft's log: %w", err)
	}
	if index > 0 {
		var l raft.Log
		if err := store.GetLog(index, &l); err != nil {
			return last, fmt.Errorf("read entry %d of Raft's log: %w", index, err)
		}
		last = state.LogPosition{Term: l.Term, Index: l.Index}
	}
	list, err := snapshots.List()
	if err != nil {
		return last, fmt.Errorf("read Raft's snapshots: %w", err)
	}
	for _, s := range list {
		if of := (state.LogPosition{Term: s.Term, Index: s.Index}); of.After(last) {
			last = of
		}
	}
	if last.Index == 0 {
		return last, errors.New("its log is empty")
	}
	return last, nil
}

// sayRestored has a new leader note that its directory was put back from a backup,
// before it leads. It returns false where that failed.
func (c *Coordinator) sayRestored() bool {
	last := c.memberCopy().Restored
	if last.Index == 0 {
		return true
	}
	if _, err := c.commitOwn(state.NoteRestored{Last: last}); err != nil {
		c.log.Warn("the restoration is not noted", "err", err)
		return false
	}
	c.restorationNoted()
	return true
}

// tellRestored has the leader note it, where this member does not become the leader:
// only some of the directories may be marked.
func (c *Coordinator) tellRestored() {
	for c.ctx.Err() == nil {
		last := c.memberCopy().Restored
		if last.Index == 0 {
			return
		}
		ctx, cancel := c.requestContext(c.ctx, 0)
		r := c.route(ctx, protocol.NoteRestored{Term: last.Term, Index: last.Index})
		cancel()
		if r.Code == protocol.OK {
			c.restorationNoted()
			return
		}
		c.pause(retryLeader)
	}
}

// mapHeld reports whether this coordinator's map may be of a history that is gone: no
// process that has a map is sent it.
func (c *Coordinator) mapHeld() bool {
	return c.memberCopy().Restored.Index != 0 || c.fsm.behind().Since != 0
}

// restorationNoted takes the mark off.
func (c *Coordinator) restorationNoted() {
	c.log.Warn("this coordinator was restored from a backup: the map is frozen until holdfast recover-map, unless that is done already")
	if err := c.updateMember(func(m *member) { m.Restored = state.LogPosition{} }); err != nil {
		c.fail(err)
	}
}

// noteRestored takes another member's word, as the leader.
func (c *Coordinator) noteRestored(ctx context.Context, m protocol.NoteRestored) protocol.Reply {
	if _, err := c.commit(ctx, state.NoteRestored{Last: state.LogPosition{Term: m.Term, Index: m.Index}}); err != nil {
		return failed("note a restoration", err)
	}
	return protocol.Reply{Code: protocol.OK}
}

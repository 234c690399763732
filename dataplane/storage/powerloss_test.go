package storage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/storage/faultfiles"
)

// powerLoss knows what a data directory would be after a loss of power: of the log,
// of the names in partitions/ and of one partition's file only what was synced.
type powerLoss struct {
	t    *testing.T
	dir  string
	logs *faultfiles.Files

	// files is held while partitions' files are written to: a copy that is made
	// meanwhile is none that a loss of power could leave.
	files sync.Mutex

	mu      sync.Mutex
	names   map[string]os.FileInfo // in partitions/, as of the last sync
	content map[string]*fileLoss   // by path at the time of the first write
	images  int
	check   func(dir, when string) // called with each image
}

func newPowerLoss(t *testing.T) *powerLoss {
	return &powerLoss{t: t, dir: t.TempDir(), logs: faultfiles.New(), names: map[string]os.FileInfo{}, content: map[string]*fileLoss{}}
}

// options are those of an engine whose power may be lost.
func (p *powerLoss) options() Options {
	o := small(p.dir)
	o.ScrubRate, o.LogFiles, o.syncNames = -1, p.logs, p.syncNames
	return o
}

// syncNames is the engine's way to sync the names, before which the power is lost too.
func (p *powerLoss) syncNames(dir string) error {
	if p.check != nil {
		p.lose("before names are synced")
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.names)
	for _, n := range list {
		if p.names[n.Name()], err = n.Info(); err != nil {
			return err
		}
	}
	return nil
}

// everyOperation has the power lost before each operation on the log from now on,
// but those that come while a partition's file is written to.
func (p *powerLoss) everyOperation(check func(dir, when string)) {
	p.check = check
	p.logs.At = func(operation string) error {
		if p.files.TryLock() {
			defer p.files.Unlock()
			p.lose("before a " + operation + " of the log")
		}
		return nil
	}
}

// flush is the engine's, between two losses of power.
func (p *powerLoss) flush(f *fixture) {
	p.t.Helper()
	p.files.Lock()
	defer p.files.Unlock()
	if err := f.flush(1, true); err != nil {
		p.t.Fatal(err)
	}
}

// lose makes an image of the directory as it would be now, and has it checked.
func (p *powerLoss) lose(when string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	crashed := image(p.t, p.dir)
	if err := p.logs.Forget(crashed, p.dir, func() bool { return false }); err != nil {
		p.t.Error(err)
	}
	for path, f := range p.content {
		if err := f.forget(filepath.Join(crashed, "partitions"), p.nameOf(path, f)); err != nil {
			p.t.Error(err)
		}
	}
	if err := p.forgetNames(filepath.Join(crashed, "partitions")); err != nil {
		p.t.Error(err)
	}
	p.images++
	p.check(crashed, when)
	if err := os.RemoveAll(crashed); err != nil {
		p.t.Error(err)
	}
}

// nameOf is the name that a file has now: it may have been renamed.
func (p *powerLoss) nameOf(path string, f *fileLoss) string {
	list, err := os.ReadDir(filepath.Join(p.dir, "partitions"))
	if err != nil {
		p.t.Error(err)
	}
	for _, n := range list {
		if info, err := n.Info(); err == nil && os.SameFile(info, f.info) {
			return n.Name()
		}
	}
	return filepath.Base(path)
}

// forgetNames gives the files of an image the names that were last synced. A file
// without one is gone.
func (p *powerLoss) forgetNames(image string) error {
	now, err := os.ReadDir(filepath.Join(p.dir, "partitions"))
	if err != nil {
		return err
	}
	for _, n := range now {
		info, err := n.Info()
		if err != nil {
			return err
		}
		kept := ""
		for name, was := range p.names {
			if os.SameFile(info, was) {
				kept = name
			}
		}
		path := filepath.Join(image, n.Name())
		if kept == "" {
			err = os.Remove(path)
		} else if kept != n.Name() {
			err = os.Rename(path, filepath.Join(image, kept))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// unsyncedWrite is what a write changed, and what was there before.
type unsyncedWrite struct {
	offset        int64
	before, after []byte
}

// fileLoss is what was written to a partition's file and is not synced.
type fileLoss struct {
	info       os.FileInfo
	committing bool // a transaction has begun to be written; its goroutine's own
	mu         sync.Mutex
	unsynced   []unsyncedWrite
}

// watch notes the writes to a received copy's file. bbolt syncs all of them when it
// commits, unless it is told not to; what it syncs beside that does not count here.
func (p *powerLoss) watch(f *file) {
	info, err := os.Stat(f.path)
	if err != nil {
		p.t.Fatal(err)
	}
	loss := &fileLoss{info: info}
	p.mu.Lock()
	p.content[f.path] = loss
	p.mu.Unlock()
	db := newFaultyDB(f.db)
	write := *db.writeAt
	*db.writeAt = func(b []byte, offset int64) (int, error) {
		u := unsyncedWrite{offset: offset, before: make([]byte, len(b)), after: append([]byte(nil), b...)}
		_, _ = (*db.file).ReadAt(u.before, offset) // what is beyond the end is zero
		if !loss.committing {
			p.files.Lock()
			loss.committing = true
		}
		loss.mu.Lock()
		defer loss.mu.Unlock()
		loss.unsynced = append(loss.unsynced, u)
		if meta := offset < 2*int64(f.pageSize); meta { // a commit's last write: the sync follows
			if !f.db.NoSync {
				loss.unsynced = nil
			}
			defer p.files.Unlock()
			loss.committing = false
		}
		return write(b, offset)
	}
}

func (f *fileLoss) forget(image, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(filepath.Join(image, name), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := len(f.unsynced) - 1; i >= 0; i-- {
		if _, err := file.WriteAt(f.unsynced[i].before, f.unsynced[i].offset); err != nil {
			return join(err, file)
		}
	}
	return file.Close()
}

// wantUpTo opens an image and wants partition 1 with the entries up to a sequence
// at least, each with its value.
func wantUpTo(t *testing.T, dir, when string, least uint64, size int) {
	t.Helper()
	o := small(dir)
	o.ScrubRate = -1
	o.Failed = func(err error) { t.Errorf("%s: %v", when, err) }
	e, err := Open(o)
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	defer e.Close() //nolint:errcheck // it is only read
	for _, lost := range e.Lost() {
		t.Errorf("%s: %s is lost: %v", when, lost.Partition, lost.Reason)
	}
	list := e.Recovered()
	if len(list) != 1 {
		if least > 0 {
			t.Errorf("%s: %d copies", when, len(list))
		}
		return
	}
	r := &list[0]
	r.State.Apply(r.Log)
	if at, _ := r.State.Applied(); at.Sequence < least {
		t.Errorf("%s: entries up to %d, and %d were acknowledged", when, at.Sequence, least)
	}
	for _, p := range puts(1, least, size) {
		wantValue(t, r.State, string(p.Key), string(p.Value), p.Sequence)
	}
}

// A flush makes a file; what the log says of it must not be durable before the
// file's name is.
func TestPowerIsLostAfterAFlush(t *testing.T) {
	t.Parallel()
	p := newPowerLoss(t)
	f := open(t, p.options())
	table := f.OpenPartition(1, lineage)
	var acked atomic.Uint64
	p.everyOperation(func(dir, when string) { wantUpTo(t, dir, when, acked.Load(), 20) })
	for n := uint64(1); n <= 60; n += 10 {
		f.write(1, table, puts(n, n+9, 20)...)
		acked.Store(n + 9)
		if n%20 == 1 {
			p.flush(f)
		}
	}
	p.lose("at the end")
	if p.images < 12 {
		t.Errorf("only %d images", p.images)
	}
}

// A received copy takes the place of the one before: content, name and switch. At
// each moment one of them is whole.
func TestPowerIsLostDuringAnInstall(t *testing.T) {
	t.Parallel()
	from := open(t, small(t.TempDir()))
	from.write(1, from.OpenPartition(1, lineage), puts(1, 300, 2000)...) // more than one transaction
	s, all := chunks(t, from.Engine, 1)

	p := newPowerLoss(t)
	f := open(t, p.options())
	f.write(1, f.OpenPartition(1, lineage), puts(1, 5, 2000)...)
	var installed atomic.Bool
	p.everyOperation(func(dir, when string) {
		if installed.Load() {
			wantUpTo(t, dir, when, 300, 2000)
		} else {
			wantUpTo(t, dir, when, 5, 2000)
		}
	})
	r, err := f.Receive(1, s.Lineage, s.Applied)
	if err != nil {
		t.Fatal(err)
	}
	p.watch(r.file)
	for _, c := range all {
		if err := r.Write(c); err != nil {
			t.Fatal(err)
		}
	}
	table, err := r.Commit()
	if err != nil {
		t.Fatal(err)
	}
	installed.Store(true)
	p.lose("once it is installed")
	f.write(1, table, put(301, "after", "y"))
	p.lose("after another write")
	if p.images < 4 {
		t.Errorf("only %d images", p.images)
	}
}

// The log is cut while a batch that begins a stretch is being gathered: what stands
// before it stays until the batch's checkpoint is durable.
func TestPowerIsLostWhileTheLogIsCut(t *testing.T) {
	t.Parallel()
	p := newPowerLoss(t)
	o := p.options()
	o.LogRetention = 128 << 10 // stretches of 4 KiB
	f := open(t, o)
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, 20, 300)...)
	p.flush(f)
	eventually(t, "all is flushed", func() bool {
		entries, _ := f.retention.pending(1)
		return len(entries) == 0
	})
	adopted := entry.Record{Partition: 1, Lineage: lineage, Adopted: 2, Configuration: adoptedIn(1, 2)}
	f.sync(slices.Repeat([]entry.Record{adopted}, 100)...) // a stretch's worth of what nothing needs
	p.check = func(dir, when string) { wantUpTo(t, dir, when, 20, 300) }
	f.catalogue.mu.Lock() // the checkpoint waits for it
	done := make(chan struct{})
	f.Append([]entry.Record{adopted}, func() { close(done) })
	begun := func() bool { return f.retention.newest() > f.writer.durable.Load() }
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !begun() && time.Now().Before(deadline); {
		<-tick.C
	}
	waits := begun()
	f.flusher.cut()
	p.lose("while a stretch begins")
	f.catalogue.mu.Unlock()
	<-done
	if !waits {
		t.Error("no stretch was begun")
	}
	f.flusher.cut()
	p.lose("once it has begun")
}

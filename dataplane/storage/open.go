package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/holdfast-io/holdfast/partition"
)

// Open opens a data directory, makes it if there is none, and reads it: Recovered
// and Lost tell what was in it. Everything they tell of has been synced. Damage
// that may have cost an acknowledged record is an error that wraps ErrDamaged,
// names the file and says what to do; damage to one partition's file makes that
// copy lost.
func Open(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	e := &Engine{
		options: o, catalogue: newCatalogue(), retention: newRetention(),
		slots: map[partition.ID]*slot{},
	}
	if e.lock, err = lockDir(o.Dir); err != nil {
		return nil, err
	}
	if err := e.load(); err != nil {
		errs := []error{err, e.closeFiles()}
		if e.log != nil {
			errs = append(errs, e.log.close())
		}
		return nil, errors.Join(append(errs, e.lock.Unlock())...)
	}
	e.tasks.Go(e.writer.run)
	e.tasks.Go(e.flusher.run)
	e.tasks.Go(func() { e.watchSpace(e.flusher.quit) })
	if o.ScrubRate > 0 {
		scrub := scrubber{e: e, rate: o.ScrubRate, quit: e.flusher.quit}
		e.tasks.Go(scrub.run)
	}
	return e, nil
}

// load reads everything and starts nothing.
func (e *Engine) load() (err error) {
	o := &e.options
	var found bool
	if e.identity, found, err = readIdentity(o.Dir, o.NodeID); err != nil {
		return err
	}
	logDir := filepath.Join(o.Dir, "log")
	if !found {
		if err := e.checkUnused(); err != nil {
			return err
		}
	}
	if err := makeDir(e.partitionsDir()); err != nil {
		return fmt.Errorf("open data directory: %w", err)
	}
	files, err := readFiles(e.partitionsDir())
	if err != nil {
		return fmt.Errorf("open data directory: %w", err)
	}
	defer func() { err = errors.Join(err, files.close()) }()
	r := &replay{catalogue: e.catalogue, retention: e.retention, applied: files.applied, logs: map[partition.ID]*copyLog{}}
	logEnd := max(e.identity.get().LogEnd, files.logEnd(e.identity.get().StoreID))
	if e.log, err = openLog(logDir, o.LogFiles, found, logEnd, o.SegmentSize, o.Logger, r.batch); err != nil {
		return err
	}
	if err := e.settleCopies(r, files); err != nil {
		return fmt.Errorf("open data directory %s: %w", o.Dir, err)
	}
	e.metrics = newMetrics(o.Registerer, e)
	e.writer = newLogWriter(e.log, e.catalogue, e.retention, e.metrics, max(o.LogRetention/32, 4096), e.fail)
	e.flusher = newFlusher(e)
	e.space = space{reserve: o.ReserveDisk, resume: o.ResumeDisk}
	e.held.set(max(o.MemoryTable, o.LogRetention))
	e.measureDisk()
	if err := e.identity.update(func(s *storeState) error {
		s.nextStart()
		s.LogEnd = e.log.next - 1
		return nil
	}); err != nil {
		return err
	}
	return e.metrics.register()
}

// checkUnused refuses a directory that has data and no store.json: the identity
// that the data belongs to is gone.
func (e *Engine) checkUnused() error {
	for _, pattern := range []string{"log/*.wal", "partitions/*.db"} {
		names, err := filepath.Glob(filepath.Join(e.options.Dir, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if info, err := os.Stat(name); err == nil && strings.HasSuffix(name, ".wal") && info.Size() > 0 {
				if empty, err := emptyFile(name); err != nil || empty {
					continue // a first start that a crash came over
				}
			}
			return fmt.Errorf("data directory %s is %w: there is %s, but no %s; %s", e.options.Dir, ErrDamaged, name, storeFile, damagedLogHelp)
		}
	}
	return os.RemoveAll(filepath.Join(e.options.Dir, "log"))
}

func emptyFile(path string) (bool, error) {
	b, err := readInto(nil, path)
	return allZero(b), err
}

// settleCopies brings together what the log and the files say, and completes
// what a crash left half done.
func (e *Engine) settleCopies(r *replay, files *foundFiles) error {
	for _, c := range e.catalogue.sorted() {
		s := e.slotLocked(c.partition)
		s.generation = c.generation
		if !c.present {
			continue
		}
		if err := e.settleCopy(c, s, r.logs[c.partition], files); err != nil {
			return err
		}
	}
	return files.removeRest(e.partitionsDir(), e.slots, e.options.Logger)
}

func (e *Engine) settleCopy(c copyFacts, s *slot, l *copyLog, files *foundFiles) error {
	if l == nil {
		l = &copyLog{}
	}
	lose := func(err error) error {
		e.options.Logger.Warn("a copy is lost", "partition", uint32(c.partition), "err", err)
		e.lost = append(e.lost, Lost{Partition: c.partition, Lineage: c.lineage, Reason: err})
		e.retention.forget(c.partition)
		files.keep(c.partition, c.generation)
		return nil
	}
	reason, err := e.setAside(c)
	if err != nil {
		return err
	}
	if reason != "" {
		return lose(fmt.Errorf("%w: %s", ErrDamaged, reason))
	}
	found, err := files.take(e.partitionsDir(), c)
	if err != nil {
		return err
	}
	path := partitionPath(e.partitionsDir(), c.partition)
	t := newTable(c.partition, c.generation, &e.tableBytes, e.options.Damaged)
	switch {
	case c.file && found == nil:
		return lose(fmt.Errorf("%s: %w: %w", path, ErrDamaged, files.fault(c.partition)))
	case found != nil:
		m := found.meta
		if m.store != e.identity.get().StoreID || m.partition != c.partition {
			return lose(errors.Join(fmt.Errorf("%s: %w: it is of %s of store %s", path, ErrDamaged, m.partition, m.store), found.file.Close()))
		}
		if err := t.load(found.file, &m); err != nil {
			return lose(errors.Join(err, found.file.Close()))
		}
	}
	end := t.applied.Sequence + uint64(len(l.entries))
	if l.gap != 0 || end < c.flushed.Sequence {
		err := fmt.Errorf("%s: %w: it holds entries up to %d, and the log does not go on from there", path, ErrDamaged, t.applied.Sequence)
		if t.file != nil {
			err = errors.Join(err, t.file.Close())
		}
		return lose(err)
	}
	e.retention.flushed(c.partition, t.applied.Sequence)
	s.table = t
	if t.file != nil {
		s.onDisk = c.generation
	}
	e.recovered = append(e.recovered, Recovered{
		Partition: c.partition, Lineage: c.lineage, Adopted: c.adopted, Configuration: c.configuration,
		Applied: t.applied, Logged: t.logged, Log: l.entries, State: t,
	})
	return nil
}

// parseFileName tells whose file a name in partitions/ is; receiving is set for
// one that a snapshot was written to.
func parseFileName(name string) (id partition.ID, receiving, ok bool) {
	base, rest, found := strings.Cut(name, ".db")
	n, err := strconv.ParseUint(base, 10, 32)
	if !found || err != nil || partitionPath("", partition.ID(n)) != base+".db" {
		return 0, false, false
	}
	if rest == "" {
		return partition.ID(n), false, true
	}
	return partition.ID(n), true, strings.HasPrefix(rest, ".") && strings.HasSuffix(rest, ".receiving")
}

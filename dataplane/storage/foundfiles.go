package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/holdfast-io/holdfast/partition"
)

// foundFiles are the files in partitions/ at the start, before the log has said
// which of them count.
type foundFiles struct {
	main      map[partition.ID]*foundFile
	receiving map[partition.ID][]*foundFile
	faults    map[partition.ID]error  // of a main file that does not open
	kept      map[partition.ID]uint64 // the generation of lost copies, whose files are left where they are
}

type foundFile struct {
	file *file
	meta fileMeta
	path string
}

var errFileGone = errors.New("it is gone, and was there")

// readFiles opens everything in partitions/.
func readFiles(dir string) (*foundFiles, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	f := &foundFiles{
		main: map[partition.ID]*foundFile{}, receiving: map[partition.ID][]*foundFile{},
		faults: map[partition.ID]error{}, kept: map[partition.ID]uint64{},
	}
	for _, n := range names {
		id, receiving, ok := parseFileName(n.Name())
		if !ok {
			continue
		}
		path := filepath.Join(dir, n.Name())
		opened, meta, err := openExisting(path)
		switch {
		case errors.Is(err, ErrOtherFormat):
			return nil, errors.Join(err, f.close())
		case err != nil && receiving:
			// half of a snapshot; removed with the rest
		case err != nil:
			f.faults[id] = err
		case receiving:
			f.receiving[id] = append(f.receiving[id], &foundFile{opened, meta, path})
		default:
			f.main[id] = &foundFile{opened, meta, path}
		}
	}
	return f, nil
}

// applied tells how far the file of a generation goes; zero if there is none.
func (f *foundFiles) applied(id partition.ID, generation uint64) uint64 {
	if found := f.find(id, generation); found != nil {
		return found.meta.applied.Sequence
	}
	return 0
}

func (f *foundFiles) find(id partition.ID, generation uint64) *foundFile {
	if m := f.main[id]; m != nil && m.meta.generation == generation {
		return m
	}
	for _, r := range f.receiving[id] {
		if r.meta.generation == generation {
			return r
		}
	}
	return nil
}

// logEnd returns the highest index that a file knows the log to have reached.
func (f *foundFiles) logEnd(store partition.StoreID) (end uint64) {
	for _, m := range f.main {
		if m.meta.store == store {
			end = max(end, m.meta.logEnd)
		}
	}
	return end
}

// take returns the copy's own file, nil if there is none. A received snapshot
// whose switch is in the log is put in its place first.
func (f *foundFiles) take(dir string, c copyFacts) (*foundFile, error) {
	found := f.find(c.partition, c.generation)
	if found == nil {
		return nil, nil
	}
	path := partitionPath(dir, c.partition)
	// A transaction that a crash came over may be in the file and not on disk.
	if err := syncFile(found.path); err != nil {
		return nil, err
	}
	if found == f.main[c.partition] {
		delete(f.main, c.partition)
		return found, nil
	}
	if !c.file {
		return nil, nil // received whole, and then the crash came before the switch
	}
	if err := os.Rename(found.path, path); err != nil {
		return nil, err
	}
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	found.path, found.file.path = path, path
	if old := f.main[c.partition]; old != nil {
		delete(f.main, c.partition)
		if err := old.file.Close(); err != nil {
			return nil, err
		}
	}
	for i, r := range f.receiving[c.partition] {
		if r == found {
			f.receiving[c.partition] = append(f.receiving[c.partition][:i:i], f.receiving[c.partition][i+1:]...)
		}
	}
	return found, nil
}

// fault tells why the copy's file could not be taken.
func (f *foundFiles) fault(id partition.ID) error {
	if err := f.faults[id]; err != nil {
		return err
	}
	if m := f.main[id]; m != nil {
		return fmt.Errorf("it is of generation %d", m.meta.generation)
	}
	return errFileGone
}

// keep leaves a lost copy's file where it is, to be looked at. It may be one that was
// received, and whose switch is in the log.
func (f *foundFiles) keep(id partition.ID, generation uint64) { f.kept[id] = generation }

// removeRest removes the files that no copy counts on: of dropped copies, of
// replaced ones, and of snapshots that were not received whole.
func (f *foundFiles) removeRest(dir string, slots map[partition.ID]*slot, logger *slog.Logger) error {
	if err := f.close(); err != nil {
		return err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		id, receiving, ok := parseFileName(n.Name())
		if !ok {
			continue
		}
		if generation, kept := f.kept[id]; kept && (!receiving || filepath.Join(dir, n.Name()) == receivingPath(dir, id, generation)) {
			continue
		}
		if s := slots[id]; !receiving && s != nil && s.onDisk != 0 {
			continue
		}
		logger.Info("removing a partition file that no copy counts on", "partition", uint32(id), "file", n.Name())
		if err := os.Remove(filepath.Join(dir, n.Name())); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// close closes what was not taken.
func (f *foundFiles) close() error {
	var errs []error
	for _, m := range f.main {
		errs = append(errs, m.file.Close())
	}
	for _, list := range f.receiving {
		for _, r := range list {
			errs = append(errs, r.file.Close())
		}
	}
	clear(f.main)
	clear(f.receiving)
	return errors.Join(errs...)
}

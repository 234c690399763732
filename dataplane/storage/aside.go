package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/holdfast-io/holdfast/partition"
)

// Aside is the directory, in the data directory, to which the files of copies
// are linked that were put aside. Nothing reads them; they are there for people,
// who may remove them at any time.
const Aside = "aside"

// SetAside marks the partition's copy as one that must not be used any more,
// because it does not hold what it should, and keeps its file. It waits for the
// disk. The copy stays in use until the engine is closed; the next Open finds it
// lost. What takes its place is not marked.
func (e *Engine) SetAside(id partition.ID, reason string) error {
	s, t, err := e.current(id)
	if err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	s.files.Lock()
	defer s.files.Unlock()
	if err := e.keepFile(s, id); err != nil {
		e.options.Logger.Warn("a copy's file is not kept", "partition", uint32(id), "err", err)
	}
	mark := strconv.AppendUint(nil, t.generation, 10)
	if err := replaceFile(e.markPath(id), append(append(mark, '\n'), reason...)); err != nil {
		return fmt.Errorf("set aside %s: %w", id, err)
	}
	return nil
}

// keepFile links the partition's file to the directory for those put aside, in
// place of an earlier one. The caller holds the slot's files.
func (e *Engine) keepFile(s *slot, id partition.ID) error {
	if s.onDisk == 0 {
		return nil
	}
	dir := filepath.Join(e.options.Dir, Aside)
	if err := makeDir(dir); err != nil {
		return err
	}
	to := partitionPath(dir, id)
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(partitionPath(e.partitionsDir(), id), to); err != nil {
		return err
	}
	return syncDir(dir)
}

func (e *Engine) markPath(id partition.ID) string {
	return filepath.Join(e.partitionsDir(), fmt.Sprintf("%05d.aside", uint32(id)))
}

// setAside tells why a copy was marked; "" if it was not. The mark of an earlier
// copy is removed.
func (e *Engine) setAside(c copyFacts) (reason string, err error) {
	path := e.markPath(c.partition)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	number, why, _ := bytes.Cut(text, []byte("\n"))
	generation, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		// A mark is replaced whole: this one was damaged, and there is none for
		// nothing.
		return "it was put aside; its mark is damaged", nil
	}
	if generation >= c.generation {
		return string(why), nil
	}
	return "", os.Remove(path)
}

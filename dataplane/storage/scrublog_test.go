package storage

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft-wal/metadb"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/partition"
)

// Damage in the log, wherever it is, is found while the node runs, and the log cut
// behind it: the next start reads all that was acknowledged, where it would have
// refused the directory.
func TestScrubMendsADamagedLog(t *testing.T) {
	t.Parallel()
	for what, damage := range map[string]func(t *testing.T, dir string, files []string){
		"in the first segment": func(t *testing.T, dir string, files []string) { damageBatch(t, dir, files[0], 1) },
		"in a segment between": func(t *testing.T, dir string, files []string) { damageBatch(t, dir, files[1], 0) },
		"in the last segment that holds something": func(t *testing.T, dir string, files []string) {
			for len(batches(t, image(t, dir), files[len(files)-1])) == 0 {
				files = files[:len(files)-1] // made already, and not written to yet
			}
			damageBatch(t, dir, files[len(files)-1], 0)
		},
		"a segment is gone": func(t *testing.T, dir string, files []string) { removeFile(t, dir, files[1]) },
		"a segment is cut":  func(t *testing.T, dir string, files []string) { cutTo(900)(t, dir, files[1]) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			o := small(t.TempDir())
			said := &logText{}
			o.Registerer, o.ScrubRate, o.Logger = registry, -1, slog.New(slog.NewTextHandler(said, nil))
			f := open(t, o)
			for id := range partition.ID(3) { // two that can be flushed; of the third, half is not committed
				table := f.OpenPartition(id, lineage)
				for _, e := range puts(1, 40, 700) {
					if id == 2 && e.Sequence > 20 {
						f.sync(records(id, e)...)
					} else {
						f.write(id, table, e)
					}
				}
			}
			s := f.scrubber()
			if !s.log() || counted(t, registry, "holdfast_storage_scrub_faults_total") != 0 {
				t.Fatal("damage where there is none")
			}
			files := segments(t, f.dir)
			if len(files) < 4 {
				t.Fatalf("only %d segments", len(files))
			}
			damage(t, f.dir, files)
			if !s.log() || counted(t, registry, "holdfast_storage_scrub_faults_total") != 1 {
				t.Fatal("the damage was not found")
			}
			eventually(t, "the log is cut", func() bool {
				state, err := f.log.segments()
				return err == nil && said.has("the log is cut behind what was damaged") && len(state.Segments) == len(segments(t, f.dir))
			})
			if !s.log() || counted(t, registry, "holdfast_storage_scrub_faults_total") != 1 {
				t.Error("damage is found again")
			}
			g := open(t, small(image(t, f.dir)))
			for id := range partition.ID(3) {
				r := g.recovered(id)
				if end := r.Applied.Sequence + uint64(len(r.Log)); end != 40 {
					t.Errorf("%s: entries up to %d", id, end)
				}
			}
		})
	}
}

// Nothing is reported of a log that is whole while it is written to, rotated and cut.
func TestScrubOfALogThatIsWrittenRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	o := small(t.TempDir())
	o.Registerer, o.ScrubRate, o.LogRetention = registry, -1, 64<<10
	f := open(t, o)
	table := f.OpenPartition(1, lineage)
	var writing sync.WaitGroup
	var end atomic.Bool
	writing.Go(func() {
		defer end.Store(true)
		for _, e := range puts(1, 400, 2000) {
			f.write(1, table, e)
		}
	})
	for s := f.scrubber(); !end.Load(); {
		s.log()
	}
	writing.Wait()
	if found := counted(t, registry, "holdfast_storage_scrub_faults_total"); found != 0 {
		t.Errorf("%v faults", found)
	}
}

// logText keeps what is logged.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// damageBatch changes a byte in the middle of a batch of a segment.
func damageBatch(t *testing.T, dir, path string, n int) {
	t.Helper()
	all := batches(t, image(t, dir), path)
	at := (all[n][0] + all[n][1]) / 2
	writeByte(t, path, at, readFile(t, path)[at]^0x10)
}

// A file of the store that is not as it was written is written anew.
func TestScrubRestoresTheStoresFile(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	o := small(t.TempDir())
	o.Registerer, o.ScrubRate = registry, -1
	f := open(t, o)
	path := filepath.Join(f.dir, storeFile)
	whole := readFile(t, path)
	s := f.scrubber()
	for n, damage := range []func(){
		func() {},
		func() { writeByte(t, path, 30, whole[30]^1) },
		func() { removeFile(t, f.dir, path) },
	} {
		damage()
		if !s.identity() {
			t.Fatal("it ended")
		}
		if found := counted(t, registry, "holdfast_storage_scrub_faults_total"); found != float64(n) {
			t.Errorf("%v faults, want %d", found, n)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(whole) {
			t.Errorf("it is %q, %v", now, err)
		}
	}
}

// The log's meta file names the segments and holds the salt.
func TestScrubReadsTheLogsMetaFile(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	o.ScrubRate = -1
	f := open(t, o)
	f.write(1, f.OpenPartition(1, lineage), puts(1, 5, 10)...)
	if _, err := f.log.segments(); err != nil {
		t.Fatal(err)
	}
	flipText(t, filepath.Join(f.dir, "log", metadb.FileName), string(saltKey))
	if _, err := f.log.segments(); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), metadb.FileName) {
		t.Errorf("without its salt: %v", err)
	}
}

package storage

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/partition"
)

// Options are what an Engine is opened with. Zero values stand for defaults.
type Options struct {
	Dir    string           // the node's data directory; made if it is not there
	NodeID partition.NodeID // refused if the directory belongs to another node

	MemoryTable  int64 // bytes that tables of all partitions may hold before they are flushed; default 256 MiB
	LogRetention int64 // bytes of log beyond which tables are flushed so that it can be cut; default 256 MiB
	SegmentSize  int   // bytes of one log file; default 32 MiB
	ReserveDisk  int64 // bytes of free disk below which DiskFull says so; default 512 MiB
	ScrubRate    int64 // bytes of stored values checked a second; default 2 MiB; below zero: none
	ResumeDisk   int64 // bytes of free disk above which it no longer does; default 5/4 of ReserveDisk

	// FreeSpace returns what is free on the disk of a directory, in bytes.
	// Default: the file system is asked.
	FreeSpace func(dir string) (int64, error)

	Logger     *slog.Logger          // default: discards
	Registerer prometheus.Registerer // default: metrics are kept and not shown

	// Failed is called once, when the log or a partition file could not be
	// written or synced. Nothing is acknowledged after that; the process must
	// end, and start again from what is on the disk. It must not block, and not
	// call the engine. Default: panic.
	Failed func(error)
	// Damaged is called when a read finds that a partition's file does not
	// hold what was written. It must not block. Default: the read's error is
	// all there is.
	Damaged func(partition.ID, error)

	// LogFiles are the files of the shared log. Default: the machine's. Tests
	// supply some that fail, such as faultfiles.Files.
	LogFiles types.VFS
	// syncNames makes the names in partitions/ durable. Default: syncDir.
	syncNames func(dir string) error
}

const (
	defaultMemoryTable  = 256 << 20
	defaultLogRetention = 256 << 20
	defaultSegmentSize  = 32 << 20
	defaultReserveDisk  = 512 << 20
	defaultScrubRate    = 2 << 20
)

func (o Options) withDefaults() (Options, error) {
	var faults []error
	if o.Dir == "" {
		faults = append(faults, errors.New("no directory"))
	}
	if o.NodeID == "" {
		faults = append(faults, errors.New("no node ID"))
	}
	for _, v := range []struct {
		name  string
		value *int64
		unset int64
	}{
		{"memory table", &o.MemoryTable, defaultMemoryTable},
		{"log retention", &o.LogRetention, defaultLogRetention},
		{"reserved disk", &o.ReserveDisk, defaultReserveDisk},
	} {
		if *v.value < 0 {
			faults = append(faults, fmt.Errorf("%s of %d bytes", v.name, *v.value))
		}
		if *v.value == 0 {
			*v.value = v.unset
		}
	}
	if o.ResumeDisk == 0 {
		o.ResumeDisk = o.ReserveDisk + o.ReserveDisk/4
	}
	if o.ResumeDisk < o.ReserveDisk {
		faults = append(faults, fmt.Errorf("disk resume of %d bytes is below the reserve of %d", o.ResumeDisk, o.ReserveDisk))
	}
	if o.ScrubRate == 0 {
		o.ScrubRate = defaultScrubRate
	}
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = defaultSegmentSize
	}
	if o.SegmentSize < 4096 || o.SegmentSize > 1<<30 {
		faults = append(faults, fmt.Errorf("segment size of %d bytes, want 4 KiB to 1 GiB", o.SegmentSize))
	}
	if o.LogFiles == nil {
		o.LogFiles = fs.New()
	}
	if o.syncNames == nil {
		o.syncNames = syncDir
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Failed == nil {
		o.Failed = func(err error) { panic(err) }
	}
	if o.Damaged == nil {
		o.Damaged = func(partition.ID, error) {}
	}
	if len(faults) > 0 {
		return o, fmt.Errorf("storage options: %w", errors.Join(faults...))
	}
	return o, nil
}

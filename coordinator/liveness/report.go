package liveness

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// Report is what a node's heartbeat says of the node.
type Report struct {
	// MapVersion is that of the newest map that the node has acted on.
	MapVersion uint64 `json:"map_version"`
	// MapHistory is that map's history: see partition.Stamp.
	MapHistory uint64 `json:"map_history"`
	// OldestFsync is how long the oldest fsync that is not finished has taken.
	OldestFsync time.Duration `json:"oldest_fsync_ns"`
	// LogQueue is for how long the oldest entry has waited that is not synced. It
	// may be a node that gets much at once, whose disk is well.
	LogQueue time.Duration `json:"log_queue_ns"`
	// NotServing are the partitions that the node is primary of and does not
	// serve.
	NotServing []NotServing `json:"not_serving,omitempty"`
	// Leaving: the node is about to end in good order. It has taken its read
	// grants back, and waits for others to be primary in its place.
	Leaving bool `json:"leaving,omitempty"`
	// Learners is the progress of the copies being brought up to date there.
	Learners []Learner `json:"learners,omitempty"`
	// Corrupt are the copies there that do not hold what they should, sorted by
	// partition, until they are made anew.
	Corrupt []Corrupt `json:"corrupt,omitempty"`
	Load    Load      `json:"load"`
}

// NotServing is a partition that a node should serve and does not.
type NotServing struct {
	Partition partition.ID    `json:"partition"`
	Epoch     partition.Epoch `json:"epoch"`
	For       time.Duration   `json:"for_ns"`
}

// Learner is how far a learner's copy has come.
type Learner struct {
	Partition partition.ID    `json:"partition"`
	Epoch     partition.Epoch `json:"epoch"`
	Have      uint64          `json:"have"` // last sequence on disk
	Want      uint64          `json:"want"` // last sequence known to be committed
	// While its partition is copied: bytes that have come, and that there are,
	// roughly; else zeros.
	Bytes    int64 `json:"bytes"`
	AllBytes int64 `json:"all_bytes"`
}

// Corrupt is a copy that does not hold what it should.
type Corrupt struct {
	Partition partition.ID `json:"partition"`
	// Void: nothing of it is used any more. Else it may serve what is whole, as
	// long as there is no other.
	Void bool `json:"void"`
}

// Load is what a node has to do.
type Load struct {
	Operations uint64 `json:"operations"` // since the start of the process
	Bytes      uint64 `json:"bytes"`      // on disk
	Free       uint64 `json:"free"`       // bytes left on the disk
}

// Config holds a detector's timings. Zeros are replaced by the defaults.
type Config struct {
	Suspicion  time.Duration // without a heartbeat, an fsync pending, a map version behind: default 1 s
	NeverHeard time.Duration // for a node not heard since the coordinator's start: default 10 s
	NotServing time.Duration // a partition not served while all its replicas live: default 2 s
	Tick       time.Duration // the caller's interval between ticks: default 100 ms
	Late       time.Duration // a tick later than that begins every period anew: default 500 ms
	Fresh      time.Duration // Judge takes a node for alive if heard from within that: default 500 ms, two heartbeats
	Settle     time.Duration // a boot in the map for less takes no primaries from one that is booting: default 2 s
	Compare    time.Duration // a new leader waits that long to hear which map a node has: default 2 s, twice the longest pause between two attempts to connect
	Confirm    time.Duration // a node that has acted on the first placement for that long has its copies on disk: default 5 s
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.Suspicion, time.Second}, {&c.NeverHeard, 10 * time.Second}, {&c.NotServing, 2 * time.Second},
		{&c.Tick, 100 * time.Millisecond}, {&c.Late, 500 * time.Millisecond}, {&c.Fresh, 500 * time.Millisecond},
		{&c.Confirm, 5 * time.Second}, {&c.Compare, 2 * time.Second}, {&c.Settle, 2 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return c
}

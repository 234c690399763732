package coordinator

import (
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// MaxPartitions bounds the number of partitions of a cluster.
const MaxPartitions = 65536

// settingsWithDefaults fills in what was not given when a cluster is created.
func settingsWithDefaults(s partition.Settings) partition.Settings {
	if s.Partitions == 0 {
		s.Partitions = 256
	}
	if s.ReplicationFactor == 0 {
		s.ReplicationFactor = 3
	}
	if s.MinInSync == 0 {
		s.MinInSync = s.ReplicationFactor/2 + 1
	}
	if s.ExpectNodes == 0 {
		s.ExpectNodes = s.ReplicationFactor
	}
	return s
}

// checkSettings judges settings without zeroes.
func checkSettings(s partition.Settings) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Partitions < 1 || s.Partitions > MaxPartitions {
		bad("partitions %d: want 1 to %d", s.Partitions, MaxPartitions)
	}
	if s.ReplicationFactor < 1 {
		bad("replication-factor %d: want at least 1", s.ReplicationFactor)
	}
	if s.MinInSync < 1 || s.MinInSync > s.ReplicationFactor {
		bad("min-in-sync %d: want 1 to the replication factor, %d", s.MinInSync, s.ReplicationFactor)
	}
	if s.ExpectNodes < s.ReplicationFactor {
		bad("expect-nodes %d: want at least the replication factor, %d", s.ExpectNodes, s.ReplicationFactor)
	}
	return errors.Join(errs...)
}

// disagreements compares what was given at start with what the cluster was
// created with, and names both values of each that differs.
func disagreements(given, stored partition.Settings, application, storedApplication string) error {
	var errs []error
	for _, f := range []struct {
		name          string
		given, stored int
	}{
		{"partitions", given.Partitions, stored.Partitions},
		{"replication-factor", given.ReplicationFactor, stored.ReplicationFactor},
		{"min-in-sync", given.MinInSync, stored.MinInSync},
		{"expect-nodes", given.ExpectNodes, stored.ExpectNodes},
	} {
		if f.given != 0 && f.given != f.stored {
			errs = append(errs, fmt.Errorf("%s is given as %d, but the cluster was created with %d", f.name, f.given, f.stored))
		}
	}
	if application != "" && application != storedApplication {
		errs = append(errs, fmt.Errorf("application is given as %q, but the cluster was created for %q", application, storedApplication))
	}
	return errors.Join(errs...)
}

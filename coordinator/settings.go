package coordinator

import (
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

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

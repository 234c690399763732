// Package replica is the replication protocol of a partition: primary-backup
// replication under configurations that the coordinators decide, after PacificA
// (Lin et al., 2008), with leases for reads. It is a deterministic state
// machine: inputs are messages, clock readings, disk completions and maps;
// outputs are records to write, messages to send and answers to give. It has no
// goroutine, clock, socket, file or random source of its own. The node's
// executors and the simulator drive it through Group. DESIGN.md beside this
// file has the rules that the comments name (W1, C2, T3, ...).
package replica

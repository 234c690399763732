// Package client joins a cluster and follows its partition map: the library for
// every server that handles its partitions itself, and all that the data plane
// knows of the coordinators. It keeps the last map when they are gone. It never
// touches data, and never waits for the coordinators in a look-up.
//
// # No acknowledged write is lost
//
// A program that keeps its partitions in its own storage loses no acknowledged
// write, as long as one replica survives that the map names in sync, if it keeps
// these rules:
//
//  1. Every write goes through [Client.Write], at the primary. Its function has all
//     of [Write.Targets] store the write, calls [Write.Failed] for each that cannot be
//     reached or cannot store it, and stores it here last. The program acknowledges
//     what Write returned nil for.
//  2. With each thing that it stores it keeps the Sequence of the write that it is
//     from. A value never replaces one with a higher sequence. A deletion is a value
//     too: its mark stays while a copy is made, and for as long as one of the
//     program's messages can be late.
//  3. A receiver calls [Client.Accept] under the lock that it stores under, and stores
//     nothing that is refused. The sender returns a refusal as the error of its
//     function; it is no case for Failed.
//  4. The hook of [Client.OnPartitionEvent] copies the partition from the primary: it
//     replaces everything below the event's Sequence, keeps what is at or above it,
//     and returns nil when all of it is stored.
//  5. The hook of [Client.OnTakeover] brings the replicas in sync to what a new primary
//     has, in the same way.
//  6. A program that names a Store has what it stored on the disk before it says so.
//     One that names none has lost its copies with each start, and copies them anew.
//
// # Reads
//
// What the primary stores last, every replica in sync has. So a read returns what the
// primary has, if no later primary can have begun: the program reads inside the
// function of a Write, and then has each of [Client.GetReplicas] of w.Partition call
// Accept with w.Epoch. A read that may be old needs none of this. [Client.IsPrimary]
// alone proves nothing: two nodes may both see true for a moment.
//
// DESIGN.md says why this is enough.
package client

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

// errNotPrimary says that another server is the partition's primary.
var errNotPrimary = errors.New("this server is not the partition's primary")

// office is what a primary must do in turn: one thing at a time for a partition.
type office struct {
	mu     sync.Mutex
	epoch  partition.Epoch
	synced bool // all members have what this copy has, in this epoch
	// joining is a learner that has everything, and that the coordinators were asked
	// to count: until the epoch is over it is a member like the others, for nobody
	// can tell whether it counts already.
	joining *client.Node
}

// lead does something as the partition's primary, in an epoch in which all members
// have what this copy has. Where that takes a change of the map it waits for it.
func (s *server) lead(ctx context.Context, id partition.ID, do func(ctx context.Context, epoch partition.Epoch, members []*client.Node) (*client.Node, error)) error {
	o := &s.offices[id]
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		p, err := s.client.GetPartitionByID(id)
		if err != nil {
			return err
		}
		if p.Configuration.Primary != s.client.NodeID() {
			return errNotPrimary
		}
		if o.epoch != p.Epoch { // who was joining is a replica by now, or was not taken
			o.epoch, o.synced, o.joining = p.Epoch, false, nil
		}
		members, err := s.members(p)
		if err != nil {
			return err
		}
		if o.joining != nil {
			members = append(members, o.joining)
		}
		failed, err := s.sync(ctx, o, p, members)
		if err == nil {
			failed, err = do(ctx, p.Epoch, members)
		}
		if err == nil {
			return nil
		}
		if failed == nil || ctx.Err() != nil {
			return err
		}
		if err := s.without(ctx, p, failed); err != nil {
			return err
		}
	}
}

// members are the other replicas of a partition, in the epoch that it was looked up
// in: not those of a later one, in which another may be primary.
func (s *server) members(p *client.Partition) (members []*client.Node, err error) {
	m := s.client.Map()
	for _, r := range p.Configuration.Replicas {
		n, known := m.Node(r.Node)
		switch {
		case r.Node == s.client.NodeID():
		case !known || n.Store != r.Store:
			return nil, errFenced
		default:
			members = append(members, n)
		}
	}
	return members, nil
}

// sync brings all members to what this copy has, once an epoch.
func (s *server) sync(ctx context.Context, o *office, p *client.Partition, members []*client.Node) (*client.Node, error) {
	if o.synced {
		return nil, nil
	}
	if err := s.copies[p.Number].enter(p.Epoch); err != nil {
		return nil, err
	}
	failed, err := s.toAll(ctx, members, p.Number, "state", s.copies[p.Number].copy(p.Epoch))
	o.synced = err == nil
	return failed, err
}

// put writes a key: it is done when every member has it.
func (s *server) put(ctx context.Context, id partition.ID, key, value string) error {
	return s.lead(ctx, id, func(ctx context.Context, epoch partition.Epoch, members []*client.Node) (*client.Node, error) {
		own := &s.copies[id]
		w := write{Epoch: epoch, Sequence: own.copy(epoch).Sequence + 1, Key: key, Value: value}
		if failed, err := s.toAll(ctx, members, id, "write", w); err != nil {
			s.offices[id].synced = false // some have it: all are brought to what this copy has
			return failed, err
		}
		return nil, own.apply(w)
	})
}

// get reads a key. All members confirm that no later epoch has begun, so what is
// here is the newest.
func (s *server) get(ctx context.Context, id partition.ID, key string) (value string, found bool, err error) {
	err = s.lead(ctx, id, func(ctx context.Context, epoch partition.Epoch, members []*client.Node) (*client.Node, error) {
		value, found = s.copies[id].get(key)
		return s.toAll(ctx, members, id, "confirm", epoch)
	})
	return value, found, err
}

// admit brings a learner up to date, and asks for it to count.
func (s *server) admit(ctx context.Context, id partition.ID, learner *client.Node) error {
	return s.lead(ctx, id, func(ctx context.Context, epoch partition.Epoch, members []*client.Node) (*client.Node, error) {
		o := &s.offices[id]
		if o.joining != nil && o.joining.ID != learner.ID {
			return nil, fmt.Errorf("%s is about to join", o.joining.ID)
		}
		if err := s.send(ctx, learner, id, "state", s.copies[id].copy(epoch)); err != nil {
			return nil, err
		}
		p, err := s.client.GetPartitionByID(id)
		if err != nil || p.Epoch != epoch {
			return nil, errors.Join(err, errFenced)
		}
		o.joining = learner
		change := s.change(p, "has everything: "+string(learner.ID))
		change.Replicas = append(slices.Clone(change.Replicas), partition.Replica{Node: learner.ID, Store: learner.Store})
		slices.SortFunc(change.Replicas, func(a, b partition.Replica) int { return strings.Compare(string(a.Node), string(b.Node)) })
		s.client.Propose(change)
		return nil, nil
	})
}

// without asks for the partition to go on without a member that does not answer,
// and waits for a later epoch, whatever it brings.
func (s *server) without(ctx context.Context, p *client.Partition, failed *client.Node) error {
	change := s.change(p, "does not answer its primary: "+string(failed.ID))
	change.Replicas = slices.DeleteFunc(slices.Clone(change.Replicas), func(r partition.Replica) bool { return r.Node == failed.ID })
	for {
		version := s.client.Map().Version
		now, err := s.client.GetPartitionByID(p.Number)
		if err != nil || now.Epoch > p.Epoch {
			return err
		}
		s.client.Propose(change) // a learner is in no list: then this only raises the epoch
		wait, cancel := context.WithTimeout(ctx, proposeAgain)
		_ = s.client.WaitMap(wait, version)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("%s does not answer, and the coordinators neither: %w", failed.ID, ctx.Err())
		}
	}
}

// change is what the map has of the partition, to be changed.
func (s *server) change(p *client.Partition, reason string) partition.Change {
	return partition.Change{
		Partition: p.Number, Epoch: p.Epoch, Primary: p.Configuration.Primary, Replicas: p.Configuration.Replicas,
		Proposer: s.client.NodeID(), Reason: reason,
	}
}

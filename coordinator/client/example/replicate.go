package main

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

// put writes a key as its primary: it is done when every replica in sync has it.
func (s *server) put(ctx context.Context, p *client.Partition, key, text string) (sequence uint64, err error) {
	err = s.client.Write(ctx, p, func(ctx context.Context, w *client.Write) error {
		sequence = w.Sequence
		one := write{Epoch: w.Epoch, Key: blob{key}, value: value{Sequence: w.Sequence, Value: blob{text}}}
		if err := s.toAll(ctx, w, s.targets(w), "write", one); err != nil {
			return err
		}
		return s.copies[p.Number].apply(one) // here last: what can be read here, all have
	})
	return sequence, err
}

// get reads a key as its primary. All replicas in sync confirm that no later epoch has
// begun, so what is here is the newest.
func (s *server) get(ctx context.Context, p *client.Partition, key string) (v value, found bool, err error) {
	err = s.client.Write(ctx, p, func(ctx context.Context, w *client.Write) error {
		v, found = s.copies[p.Number].get(key)
		return s.toAll(ctx, w, s.client.GetReplicas(w.Partition), "confirm", w.Epoch)
	})
	return v, found, err
}

// takeOver is the hook of a new primary: all replicas get what it has.
func (s *server) takeOver(ctx context.Context, w *client.Write) error {
	content := s.copies[w.Partition.Number].content()
	return s.toAll(ctx, w, w.Targets(), "state", state{Epoch: w.Epoch, Sequence: w.Sequence, Values: content})
}

// learn is the hook of a partition that this node is to have: it gets what the primary
// has. What is written from e.Sequence on comes by itself.
func (s *server) learn(ctx context.Context, e client.PartitionEvent) error {
	content := map[blob]value{}
	if err := s.ask(ctx, e.CopyFrom, e.Partition, "copy", nil, &content); err != nil {
		return err
	}
	return s.copies[e.Partition].replace(state{Epoch: e.Epoch, Sequence: e.Sequence, Values: content})
}

// toAll sends the same to all targets. One that cannot be reached has failed; one that
// refuses knows of a later epoch.
func (s *server) toAll(ctx context.Context, w *client.Write, targets []*client.Node, what string, message any) error {
	refusals := make([]error, len(targets))
	var sending sync.WaitGroup
	for i, n := range targets {
		sending.Go(func() {
			err := s.ask(ctx, n, w.Partition.Number, what, message, nil)
			if errors.Is(err, client.ErrStaleEpoch) || ctx.Err() != nil {
				refusals[i] = err
			} else if err != nil {
				w.Failed(n)
			}
		})
	}
	sending.Wait()
	return errors.Join(refusals...)
}

// serve answers what another server asks for.
func (s *server) serve(id partition.ID, what string, decode func(any) error) (answer any, err error) {
	own := &s.copies[id]
	switch what {
	case "write":
		return nil, received(decode, own.apply)
	case "state":
		return nil, received(decode, own.replace)
	case "confirm":
		return nil, received(decode, own.confirm)
	case "copy":
		return own.content(), nil
	}
	return nil, errNoSuchThing
}

// received decodes a message and hands it on.
func received[T any](decode func(any) error, to func(T) error) error {
	var v T
	if err := decode(&v); err != nil {
		return err
	}
	return to(v)
}

package client

import (
	"errors"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

func TestAcceptRefusesEpochsThatAreOver(t *testing.T) {
	t.Parallel()
	c := primary(t)
	p := at(t, c)
	for _, test := range []struct {
		epoch partition.Epoch
		want  error
	}{
		{4, ErrStaleEpoch}, {5, nil}, {8, nil}, {7, ErrStaleEpoch}, {5, ErrStaleEpoch}, {8, nil},
	} {
		if err := c.Accept(p, test.epoch); !errors.Is(err, test.want) {
			t.Errorf("epoch %d: %v, want %v", test.epoch, err, test.want)
		}
	}
	c.publish(configured(9, nil))
	if err := c.Accept(p, 8); !errors.Is(err, ErrStaleEpoch) {
		t.Errorf("an epoch below the map's: %v", err)
	}
	if err := c.Accept(p, 9); err != nil {
		t.Error(err)
	}
	without := configured(10, func(conf *partition.Configuration) {
		conf.Primary, conf.Replicas = "n2", conf.Replicas[1:]
	})
	c.publish(without)
	if err := c.Accept(p, 10); !errors.Is(err, ErrNotReplica) {
		t.Errorf("a node with no part in it: %v", err)
	}
	fenced := primary(t)
	fenced.fence(&RefusedError{Node: "n1", Reason: "removed"})
	if err := fenced.Accept(p, 5); !errors.Is(err, ErrFenced) {
		t.Errorf("a program that is refused for good: %v", err)
	}
	later := configured(11, nil)
	later.Nodes[0].Incarnation = 2
	c.publish(later)
	if err := c.Accept(p, 11); !errors.Is(err, ErrFenced) {
		t.Errorf("a start that the map does not name: %v", err)
	}
}

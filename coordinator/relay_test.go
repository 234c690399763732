package coordinator

import (
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// nodeConn is a node's connection that keeps what it is sent.
type nodeConn struct {
	transport.Conn
	hello protocol.Hello
	sent  []protocol.Hints
}

func (c *nodeConn) Identity() any { return c.hello }

func (c *nodeConn) Send(body []byte) error {
	m, err := protocol.Decode(body)
	if err == nil {
		c.sent = append(c.sent, m.(protocol.Hints))
	}
	return err
}

// Hints go to the very start that they are for, and say which start they are from.
func TestHintsReachTheStartTheyAreFor(t *testing.T) {
	t.Parallel()
	node := func(id string, number partition.StartID) *nodeConn {
		return &nodeConn{hello: protocol.Hello{
			Role: protocol.RoleNode, Name: id, Store: 7, Start: partition.Start{Incarnation: 1, ID: number},
		}}
	}
	r := newRelay()
	one, other, twin, follower := node("n1", 1), node("n2", 1), node("n2", 2), node("n2", 3)
	follower.hello.Role = protocol.RoleFollower
	for _, c := range []*nodeConn{one, other, twin, follower} {
		r.up(c)
	}
	hints := func(to *nodeConn) protocol.Hints {
		return protocol.Hints{From: twin.hello.NodeStart(), To: to.hello.NodeStart(), List: []protocol.Hint{{Kind: protocol.CopyWanted}}}
	}
	r.pass(one.hello, hints(other))
	r.pass(one.hello, hints(follower))
	if len(other.sent) != 1 || other.sent[0].From != one.hello.NodeStart() || len(twin.sent)+len(follower.sent) > 0 {
		t.Errorf("n2 got %+v, its twin %+v, a follower %+v", other.sent, twin.sent, follower.sent)
	}
	again := node("n2", 1)
	r.up(again)
	r.down(other)
	r.pass(one.hello, hints(again))
	r.down(again)
	r.pass(one.hello, hints(again))
	if len(again.sent) != 1 || len(other.sent) != 1 {
		t.Errorf("the new connection got %d, the old %d", len(again.sent), len(other.sent))
	}
}

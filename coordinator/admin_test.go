package coordinator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// outcome is a coordinator's answer to an admin command.
type outcome struct {
	status    int
	operation string // of the header
	problem
	coordinator.Ordered
}

// command sends an admin command with an operation ID; "" is none.
func command(t *testing.T, c *coordinator.Coordinator, operation, path, body string) (o outcome) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if operation != "" {
		r.Header.Set(coordinator.OperationHeader, operation)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	into := any(&o.Ordered)
	if answer.StatusCode != http.StatusOK {
		into = &o.problem
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	o.status, o.operation = answer.StatusCode, answer.Header.Get(coordinator.OperationHeader)
	return o
}

// trioWithNodes has that many nodes, and all partitions placed.
func trioWithNodes(t *testing.T, nodes int, change ...func(*coordinator.Config)) *trio.Group {
	t.Helper()
	g := trio.New(t, 3)
	for _, c := range change {
		g.Change = c
	}
	g.Start()
	leader := g.Leader()
	for n := 1; n <= nodes; n++ {
		join(t, g, n, partition.StoreID(100+n), 1)
	}
	trio.Eventually(t, "placement", func() bool { return leader.Map().Placed() })
	return g
}

// steady lets a leader stay the leader while it is cut off for a moment.
func steady(c *coordinator.Config) {
	c.Timings.RaftHeartbeat, c.Timings.RaftElection, c.Timings.RaftLease = 2*time.Second, 2*time.Second, 2*time.Second
}

func duty(c *coordinator.Coordinator, id partition.NodeID) partition.Duty {
	n, _ := c.Map().Node(id)
	return n.Duty
}

// others are the members beside one.
func others(g *trio.Group, but string) (ids []string) {
	for _, id := range g.IDs {
		if id != but {
			ids = append(ids, id)
		}
	}
	return ids
}

// The leader has put a drain in its log, and cannot commit it before the caller's
// deadline. The drain is applied later: its outcome was unknown, and the same
// operation, asked of any coordinator, gets its result.
func TestADrainThatIsAppliedLaterWasNotReportedAsNotApplied(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 4, steady)
	leader := g.Leader()
	for _, id := range others(g, leader.ID()) {
		g.Network.CutBoth(leader.ID(), id)
	}
	begin := time.Now()
	o := command(t, leader, "drain-1", "/v1/nodes/n4/drain?timeout=150ms", "")
	if o.status != http.StatusGatewayTimeout || o.Code != "outcome-unknown" || o.operation != "drain-1" {
		t.Fatalf("%+v", o)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v with a timeout of 150ms", took)
	}
	if d := duty(leader, "n4"); d != partition.Full {
		t.Fatalf("n4 is %v while nothing is committed", d)
	}
	g.Network.HealAll()
	trio.Eventually(t, "the drain to be applied", func() bool { return duty(leader, "n4") == partition.Draining })
	first := command(t, leader, "drain-1", "/v1/nodes/n4/drain", "")
	if first.status != http.StatusOK || first.Duty != partition.Draining || !first.Done || first.Ordered.Operation != "drain-1" {
		t.Errorf("%+v", first)
	}
	if o := command(t, leader, "", "/v1/nodes/n4/undrain", ""); o.status != http.StatusOK || o.operation == "" {
		t.Errorf("%+v", o)
	}
	for _, id := range g.IDs {
		again := command(t, g.Member(id), "drain-1", "/v1/nodes/n4/drain", "")
		if again.status != http.StatusOK || again.Ordered != first.Ordered {
			t.Errorf("%s: %+v, want %+v", id, again, first)
		}
	}
	if d := duty(g.Leader(), "n4"); d != partition.Full {
		t.Errorf("n4 is %v: the repetition undid the undrain", d)
	}
}

// A follower has given a drain to the leader when the connection breaks.
func TestAForwardThatBreaksHasAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 4)
	leader := g.Leader()
	via := g.Member(others(g, leader.ID())[0])
	g.Network.Cut(leader.ID(), via.ID()) // the request arrives, the reply does not
	o := command(t, via, "drain-1", "/v1/nodes/n4/drain?timeout=500ms", "")
	if o.status != http.StatusGatewayTimeout {
		t.Errorf("%+v", o)
	}
	g.Network.HealAll()
	trio.Eventually(t, "the drain's result", func() bool {
		o = command(t, via, "drain-1", "/v1/nodes/n4/drain", "")
		return o.status == http.StatusOK && o.Duty == partition.Draining
	})
}

// A request that was forwarded ends at the leader with the deadline that came with
// it, although the connection would wait for longer.
func TestTheDeadlineTravelsWithAForwardedRequest(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 4, steady)
	leader := g.Leader()
	answers := make(chan protocol.Reply, 1)
	link := g.Network.Host("other").Dial(trio.Addr(leader.ID()), transport.Options{
		Hello: func() []byte { return protocol.Hello{Role: protocol.RoleFollower}.Encode() },
	})
	defer link.Close()
	trio.Eventually(t, "a connection", link.Connected)
	for _, id := range others(g, leader.ID()) {
		g.Network.CutBoth(leader.ID(), id)
	}
	drain := protocol.Encode(protocol.Order{Do: protocol.Drain, Node: "n4", Operation: "drain-1"})
	begin := time.Now()
	for _, m := range []protocol.Message{
		protocol.Forwarded{Timeout: 100 * time.Millisecond, Request: drain}, protocol.Timed{Timeout: 100 * time.Millisecond, Request: drain},
	} {
		link.Call(protocol.Encode(m), trio.Patience, func(raw []byte, err error) {
			m, decodeErr := protocol.Decode(raw)
			reply, ok := m.(protocol.Reply)
			if err != nil || decodeErr != nil || !ok {
				t.Errorf("%v %v %T", err, decodeErr, m)
			}
			answers <- reply
		})
		if reply := <-answers; reply.Code != protocol.Unknown {
			t.Errorf("%+v", reply)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v with a timeout of 100ms each", took)
	}
}

// A leader loses its leadership with a drain in its log. That nobody leads then does
// not make the drain one that was not applied.
func TestALeaderThatFallsKnowsNoOutcome(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 4)
	leader := g.Leader()
	for _, id := range others(g, leader.ID()) {
		g.Network.CutBoth(leader.ID(), id)
	}
	o := command(t, leader, "drain-1", "/v1/nodes/n4/drain?timeout=1500ms", "")
	if leader.Leading() {
		t.Fatal("it still leads")
	}
	if o.status != http.StatusGatewayTimeout {
		t.Errorf("%+v", o)
	}
	g.Network.HealAll()
	trio.Eventually(t, "the drain's result", func() bool {
		o = command(t, leader, "drain-1", "/v1/nodes/n4/drain", "")
		return o.status == http.StatusOK && o.Duty == partition.Draining
	})
}

// Without a leader nobody has put the command in a log: it is not applied, also
// later. The wait ends with the caller's deadline.
func TestWithoutALeaderACommandIsNotApplied(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 4)
	left := g.Leader()
	g.Stop(others(g, left.ID())...)
	trio.Eventually(t, left.ID()+" leads no more", func() bool { return !left.Leading() })
	begin := time.Now()
	o := command(t, left, "drain-1", "/v1/nodes/n4/drain?timeout=200ms", "")
	if o.status != http.StatusServiceUnavailable || o.Code != "unavailable" {
		t.Errorf("%+v", o)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v with a timeout of 200ms", took)
	}
	g.Start(others(g, left.ID())...)
	leader := g.Leader()
	command(t, leader, "", "/v1/nodes/n4/weight", `{"weight": 2}`)
	if d := duty(leader, "n4"); d != partition.Full {
		t.Errorf("n4 is %v", d)
	}
}

// A drain and a weight at the same time are both done, in either order.
func TestADrainAndAWeightAtTheSameTimeAreBothMade(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 4)
	leader := g.Leader()
	for i := range 20 {
		command(t, leader, "", "/v1/nodes/n4/undrain", "")
		var wg sync.WaitGroup
		var drained, weighed outcome
		weight := uint32(2 + i%2)
		wg.Go(func() { drained = command(t, leader, "", "/v1/nodes/n4/drain", "") })
		wg.Go(func() { weighed = command(t, leader, "", "/v1/nodes/n4/weight", fmt.Sprintf(`{"weight": %d}`, weight)) })
		wg.Wait()
		n, _ := leader.Map().Node("n4")
		if drained.status != http.StatusOK || weighed.status != http.StatusOK || n.Duty != partition.Draining || n.Weight != weight {
			t.Fatalf("%d %d: n4 is %v with weight %d", drained.status, weighed.status, n.Duty, n.Weight)
		}
	}
}

// What was refused stays refused, and an ID is for one command.
func TestARefusalIsRememberedAndAnIDIsForOneCommand(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 3)
	leader := g.Leader()
	refused := command(t, leader, "drain-1", "/v1/nodes/n3/drain", "")
	if refused.status != http.StatusConflict || !strings.Contains(refused.Detail, "too few other nodes") {
		t.Errorf("%+v", refused)
	}
	unknown := command(t, leader, "drain-9", "/v1/nodes/n9/drain", "")
	join(t, g, 4, 104, 1)
	for operation, want := range map[string]outcome{"drain-1": refused, "drain-9": unknown} {
		node := map[string]string{"drain-1": "n3", "drain-9": "n9"}[operation]
		if again := command(t, leader, operation, "/v1/nodes/"+node+"/drain", ""); again != want {
			t.Errorf("%+v, want %+v", again, want)
		}
	}
	if o := command(t, leader, "drain-1", "/v1/nodes/n4/drain", ""); o.status != http.StatusUnprocessableEntity || o.Code != "operation-id-reused" {
		t.Errorf("%+v", o)
	}
	if duty(leader, "n3") != partition.Full || duty(leader, "n4") != partition.Full {
		t.Error("something drains")
	}
	for _, bad := range []struct{ operation, query string }{
		{"a b", ""}, {strings.Repeat("x", 65), ""}, {"", "?timeout=0s"}, {"", "?timeout=2m"}, {"", "?timeout=soon"}, {"", "?wait=1s"},
	} {
		if o := command(t, leader, bad.operation, "/v1/nodes/n4/drain"+bad.query, ""); o.status != http.StatusBadRequest {
			t.Errorf("%+v: %+v", bad, o)
		}
	}
}

// The preview of a removal names the node's start. A node that was started again
// since is not given up.
func TestARemovalIsOfTheStartThatWasLookedAt(t *testing.T) {
	t.Parallel()
	g := trioWithNodes(t, 3)
	leader := g.Leader()
	n4 := join(t, g, 4, 104, 1)
	preview := command(t, leader, "remove-1", "/v1/nodes/n4/remove", `{"lost": true}`)
	if preview.status != http.StatusOK || preview.Done || preview.Incarnation != 1 || preview.MayLose == "" {
		t.Fatalf("%+v", preview)
	}
	_ = n4.Close()
	join(t, g, 4, 104, 2)
	confirm := `{"lost": true, "confirm": true, "incarnation": 1}`
	if o := command(t, leader, "remove-1", "/v1/nodes/n4/remove", confirm); o.status != http.StatusConflict || !strings.Contains(o.Detail, "started again") {
		t.Errorf("%+v", o)
	}
	if _, known := leader.Map().Node("n4"); !known {
		t.Fatal("n4 was removed")
	}
	confirm = `{"lost": true, "confirm": true, "incarnation": 2}`
	first := command(t, leader, "remove-2", "/v1/nodes/n4/remove", confirm)
	if first.status != http.StatusOK || !first.Done {
		t.Fatalf("%+v", first)
	}
	// Who repeats the command looks again first, and gets the result.
	if again := command(t, leader, "remove-2", "/v1/nodes/n4/remove", `{"lost": true}`); again != first {
		t.Errorf("%+v, want %+v", again, first)
	}
}

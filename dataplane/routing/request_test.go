package routing

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

const ms = replica.Time(time.Millisecond)

// placedMap has one partition, with n1, n2 and n3 in sync.
func placedMap(version uint64, epoch partition.Epoch, primary partition.NodeID) *partition.Map {
	return &partition.Map{Version: version, Partitions: []partition.Configuration{configuration(epoch, primary)}}
}

func configuration(epoch partition.Epoch, primary partition.NodeID) partition.Configuration {
	return partition.Configuration{Epoch: epoch, Primary: primary,
		Replicas: []partition.Replica{{Node: "n1", Store: 1}, {Node: "n2", Store: 2}, {Node: "n3", Store: 3}}}
}

// driver runs a request through a script, and checks each decision.
type driver struct {
	t   *testing.T
	r   *Request
	now replica.Time
	m   *partition.Map
}

type event func(d *driver)

func start(t *testing.T, action replica.Action) *driver {
	t.Helper()
	return &driver{t: t, m: placedMap(10, 5, "n1"),
		r: NewRequest("n9", replica.Operation{Action: action}, 1000*ms)}
}

func (d *driver) next() Decision { return d.r.Next(d.now, d.m) }

// sends expects an attempt at a node, in an epoch.
func sends(to partition.NodeID, epoch partition.Epoch) event {
	return func(d *driver) {
		d.t.Helper()
		if got := d.next(); got.Step != Send || got.To != to || got.Epoch != epoch {
			d.t.Fatalf("at %v: %+v, want a send to %s in epoch %d", d.now, got, to, epoch)
		}
	}
}

// waits expects a wait for a newer map, until a moment.
func waits(until replica.Time) event {
	return func(d *driver) {
		d.t.Helper()
		if got := d.next(); got.Step != WaitMap || got.Until != until || got.After != d.m.Version {
			d.t.Fatalf("at %v: %+v, want a wait until %v for a map after %d", d.now, got, until, d.m.Version)
		}
	}
}

// awaits expects that the attempt under way is waited for.
func awaits(until replica.Time) event {
	return func(d *driver) {
		d.t.Helper()
		if got := d.next(); got.Step != Await || got.Until != until {
			d.t.Fatalf("at %v: %+v, want to await until %v", d.now, got, until)
		}
	}
}

func finishes(v Verdict, reason Reason) event {
	return func(d *driver) {
		d.t.Helper()
		if got := d.next(); got.Step != Finish || got.Verdict != v || got.Reason != reason {
			d.t.Fatalf("at %v: %+v, want verdict %d for reason %d", d.now, got, v, reason)
		}
	}
}

func answers(o replica.Outcome) event {
	return func(d *driver) {
		d.t.Helper()
		if got := d.next(); got.Step != Finish || got.Verdict != Answered || got.Answer.Outcome != o {
			d.t.Fatalf("at %v: %+v, want the answer %d", d.now, got, o)
		}
	}
}

func at(now replica.Time) event { return func(d *driver) { d.now = now } }

func mapIs(version uint64, epoch partition.Epoch, primary partition.NodeID) event {
	return func(d *driver) { d.m = placedMap(version, epoch, primary) }
}

// answered is an answer given in an epoch; a Done has an entry of its own.
func answered(o replica.Outcome, epoch partition.Epoch) event {
	return func(d *driver) {
		a := replica.Answer{Outcome: o, Epoch: epoch}
		if o == replica.Done {
			a.Result.Sequence = 7
		}
		d.r.Answered(d.now, a)
	}
}

// nothingToDelete is the answer to a DELETE that logged nothing (W5).
func nothingToDelete(epoch partition.Epoch) event {
	return func(d *driver) { d.r.Answered(d.now, replica.Answer{Outcome: replica.Done, Epoch: epoch}) }
}

// notPrimary is a refusal that brings a configuration.
func notPrimary(epoch partition.Epoch, primary partition.NodeID) event {
	return func(d *driver) {
		c := configuration(epoch, primary)
		d.r.Answered(d.now, replica.Answer{Outcome: replica.NotPrimary, Epoch: epoch, Configuration: &c})
	}
}

func failed(maybeSent bool) event { return func(d *driver) { d.r.Failed(d.now, maybeSent) } }

func abandoned() event { return func(d *driver) { d.r.Abandon(d.now) } }

var end = at(1000 * ms)

func TestRequest(t *testing.T) {
	t.Parallel()
	const get, put, del = replica.Get, replica.Put, replica.Delete
	tests := []struct {
		name   string
		action replica.Action
		script []event
	}{
		{"a write is applied", put, []event{sends("n1", 5), answered(replica.Done, 5), answers(replica.Done)}},
		{"a read is answered", get, []event{sends("n1", 5), answered(replica.Found, 5), answers(replica.Found)}},
		{"a key is absent", get, []event{sends("n1", 5), answered(replica.Absent, 5), answers(replica.Absent)}},
		{"a condition does not hold", put, []event{
			sends("n1", 5), answered(replica.PreconditionFailed, 5), answers(replica.PreconditionFailed)}},
		{"an attempt under way is awaited past the deadline", put, []event{
			sends("n1", 5), awaits(250 * ms), at(250 * ms), awaits(500 * ms), at(1300 * ms), awaits(1500 * ms),
			answered(replica.Done, 5), answers(replica.Done)}},
		{"an attempt that never ends leaves a write unknown", put, []event{
			sends("n1", 5), at(1500 * ms), finishes(OutcomeUnknown, NoAnswer)}},
		{"an attempt that never ends leaves a read unavailable", get, []event{
			sends("n1", 5), at(1500 * ms), finishes(Unavailable, NoAnswer)}},

		{"no primary: wait for one, then go there", put, []event{
			mapIs(11, 6, ""), waits(1000 * ms), mapIs(12, 7, "n2"), sends("n2", 7), answered(replica.Done, 7), answers(replica.Done)}},
		{"no primary until the deadline", put, []event{mapIs(11, 6, ""), waits(1000 * ms), end, finishes(Unavailable, NoPrimary)}},
		{"before placement there is no wait", put, []event{
			func(d *driver) { d.m = &partition.Map{Version: 3} }, finishes(Unavailable, NotPlaced)}},
		{"without a map there is no wait", get, []event{func(d *driver) { d.m = nil }, finishes(Unavailable, NoMap)}},

		{"the node asked is behind: it waits, and so does the next attempt", put, []event{
			sends("n1", 5), notPrimary(4, "n2"), waits(5 * ms), at(5 * ms), sends("n1", 5)}},
		{"the node asked is ahead: follow what it says", put, []event{
			sends("n1", 5), notPrimary(6, "n2"), sends("n2", 6), answered(replica.Done, 6), answers(replica.Done)}},
		{"the node asked is ahead, and knows of no primary", put, []event{
			sends("n1", 5), notPrimary(6, ""), waits(1000 * ms), mapIs(11, 7, "n3"), sends("n3", 7)}},
		{"refusals never bounce between two nodes", put, []event{
			sends("n1", 5), notPrimary(6, "n2"), sends("n2", 6), notPrimary(5, "n1"), waits(5 * ms), at(5 * ms), sends("n2", 6)}},
		{"the map overtakes what an answer said", put, []event{
			sends("n1", 5), notPrimary(6, "n2"), mapIs(12, 8, "n3"), sends("n3", 8)}},

		{"a lost lease is tried again", get, []event{
			sends("n1", 5), answered(replica.Expired, 5), waits(5 * ms), at(5 * ms), sends("n1", 5),
			answered(replica.Found, 5), answers(replica.Found)}},
		{"a lost lease does not put a write in doubt", put, []event{
			sends("n1", 5), answered(replica.Expired, 5), end, finishes(Unavailable, LeaseLost)}},
		{"never sent: never applied", put, []event{sends("n1", 5), failed(false), waits(5 * ms), end, finishes(Unavailable, NotReached)}},
		{"timed out before the log: never applied", put, []event{
			sends("n1", 5), at(1001 * ms), answered(replica.TimedOut, 5), finishes(Unavailable, NotReady)}},
		{"a replica with a broken disk: never applied", put, []event{
			sends("n1", 5), answered(replica.Failed, 5), waits(5 * ms), end, finishes(Unavailable, ReplicaFailed)}},
		{"the wait doubles, up to a limit", put, []event{
			sends("n1", 5), failed(false), waits(5 * ms), at(5 * ms), sends("n1", 5), failed(false), waits(15 * ms),
			at(15 * ms), sends("n1", 5), failed(false), waits(35 * ms), at(35 * ms), sends("n1", 5), failed(false), waits(75 * ms),
			at(75 * ms), sends("n1", 5), failed(false), waits(155 * ms), at(155 * ms), sends("n1", 5), failed(false), waits(315 * ms),
			at(315 * ms), sends("n1", 5), failed(false), waits(515 * ms), at(515 * ms), sends("n1", 5), failed(false), waits(715 * ms)}},
		{"a newer epoch ends the wait", put, []event{
			sends("n1", 5), failed(false), waits(5 * ms), mapIs(11, 6, "n2"), sends("n2", 6)}},
		{"a newer map without a change here does not", put, []event{
			sends("n1", 5), failed(false), waits(5 * ms), mapIs(11, 5, "n1"), waits(5 * ms)}},

		{"maybe sent, then nothing: unknown", put, []event{
			sends("n1", 5), failed(true), waits(5 * ms), end, finishes(OutcomeUnknown, NoAnswer)}},
		{"maybe sent, then never sent: still unknown", put, []event{
			sends("n1", 5), failed(true), at(5 * ms), sends("n1", 5), failed(false), end, finishes(OutcomeUnknown, NotReached)}},
		{"maybe sent, then timed out in a later epoch: still unknown", put, []event{
			sends("n1", 5), failed(true), mapIs(11, 6, "n2"), sends("n2", 6), at(1000 * ms), answered(replica.TimedOut, 6),
			finishes(OutcomeUnknown, NotReady)}},
		{"maybe sent, then joined: its own result", put, []event{
			sends("n1", 5), failed(true), at(5 * ms), sends("n1", 5), answered(replica.Done, 5), answers(replica.Done)}},
		{"maybe sent, then 412 in the same epoch: the first may be on its way", put, []event{
			sends("n1", 5), failed(true), at(5 * ms), sends("n1", 5), answered(replica.PreconditionFailed, 5),
			end, finishes(OutcomeUnknown, NoAnswer)}},
		{"maybe sent, then 412 in a later epoch: proven", put, []event{
			sends("n1", 5), failed(true), mapIs(11, 6, "n2"), sends("n2", 6), answered(replica.PreconditionFailed, 6),
			answers(replica.PreconditionFailed)}},
		{"maybe sent twice, then 412 in the second's epoch", put, []event{
			sends("n1", 5), failed(true), mapIs(11, 6, "n2"), sends("n2", 6), failed(true), at(5 * ms), sends("n2", 6),
			answered(replica.PreconditionFailed, 6), end, finishes(OutcomeUnknown, NoAnswer)}},
		{"nothing to delete, after an attempt that may be on its way", del, []event{
			sends("n1", 5), failed(true), at(5 * ms), sends("n1", 5), nothingToDelete(5), end, finishes(OutcomeUnknown, NoAnswer)}},
		{"nothing to delete, in a later epoch", del, []event{
			sends("n1", 5), failed(true), mapIs(11, 6, "n2"), sends("n2", 6), nothingToDelete(6), answers(replica.Done)}},
		{"nothing to delete", del, []event{sends("n1", 5), nothingToDelete(5), answers(replica.Done)}},
		{"logged, fate unknown, then found in the next epoch", put, []event{
			sends("n1", 5), answered(replica.Unknown, 5), mapIs(11, 6, "n2"), sends("n2", 6), answered(replica.Done, 6),
			answers(replica.Done)}},
		{"logged, fate unknown, no primary after", put, []event{
			sends("n1", 5), answered(replica.Unknown, 5), mapIs(11, 6, ""), waits(1000 * ms), end, finishes(OutcomeUnknown, NoPrimary)}},
		{"its own ID is forgotten", put, []event{sends("n1", 5), answered(replica.Forgotten, 5), finishes(OutcomeUnknown, NoAnswer)}},
		{"an outcome of a later release puts a write in doubt", put, []event{
			sends("n1", 5), answered(250, 5), end, finishes(OutcomeUnknown, NoAnswer)}},

		{"the primary is silent, and another one takes over", put, []event{
			sends("n1", 5), mapIs(11, 6, "n2"), at(10 * ms), awaits(250 * ms), at(250 * ms), sends("n2", 6),
			answered(replica.Done, 6), answers(replica.Done)}},
		{"the primary is silent, and the next one proves that nothing was logged", put, []event{
			sends("n1", 5), mapIs(11, 6, "n2"), at(250 * ms), sends("n2", 6), answered(replica.PreconditionFailed, 6),
			answers(replica.PreconditionFailed)}},
		{"the primary is silent, and the next one does not get to it", put, []event{
			sends("n1", 5), mapIs(11, 6, "n2"), at(250 * ms), sends("n2", 6), end, answered(replica.TimedOut, 6),
			finishes(OutcomeUnknown, NotReady)}},
		{"the primary is silent, and there is none yet", put, []event{
			sends("n1", 5), mapIs(11, 6, ""), at(250 * ms), awaits(500 * ms), mapIs(12, 7, "n3"), at(500 * ms), sends("n3", 7)}},
		{"the same primary in a later epoch will answer", put, []event{
			sends("n1", 5), mapIs(11, 6, "n1"), at(250 * ms), awaits(500 * ms), answered(replica.Done, 6), answers(replica.Done)}},
		{"a silent primary is not given up after the deadline", put, []event{
			sends("n1", 5), mapIs(11, 6, "n2"), end, awaits(1250 * ms), at(1500 * ms), finishes(OutcomeUnknown, NoAnswer)}},

		{"a read is never in doubt", get, []event{
			sends("n1", 5), failed(true), at(5 * ms), sends("n1", 5), answered(replica.Unknown, 5), end, finishes(Unavailable, NoAnswer)}},
		{"a read answered after a lost attempt in the same epoch", get, []event{
			sends("n1", 5), failed(true), at(5 * ms), sends("n1", 5), answered(replica.Absent, 5), answers(replica.Absent)}},
		{"an answer that does not fit a read", get, []event{sends("n1", 5), answered(replica.Done, 5), waits(5 * ms)}},
		{"an answer that does not fit a write", put, []event{sends("n1", 5), answered(replica.Found, 5), waits(5 * ms)}},

		{"abandoned under way", put, []event{sends("n1", 5), abandoned(), finishes(OutcomeUnknown, GivenUp)}},
		{"abandoned before any attempt", put, []event{mapIs(11, 6, ""), waits(1000 * ms), abandoned(), finishes(Unavailable, GivenUp)}},
		{"abandoned after the end", put, []event{sends("n1", 5), answered(replica.Done, 5), abandoned(), answers(replica.Done)}},
		{"an answer after the end changes nothing", put, []event{
			sends("n1", 5), at(1500 * ms), finishes(OutcomeUnknown, NoAnswer), answered(replica.Done, 5), finishes(OutcomeUnknown, NoAnswer)}},
		{"the map loses the placement with a write in doubt", put, []event{
			sends("n1", 5), failed(true), func(d *driver) { d.m = &partition.Map{} }, finishes(OutcomeUnknown, NotPlaced)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, test.action)
			for _, e := range test.script {
				e(d)
			}
		})
	}
}

func TestResetForgetsTheLastRequest(t *testing.T) {
	t.Parallel()
	d := start(t, replica.Put)
	for _, e := range []event{sends("n1", 5), failed(true), end, finishes(OutcomeUnknown, NoAnswer)} {
		e(d)
	}
	d.r.Reset(0, replica.Put, 3000*ms)
	if d.r.Suspect() != 0 || d.r.Attempts() != 0 || d.r.Deadline() != 3000*ms {
		t.Fatalf("after Reset: %+v", d.r)
	}
	for _, e := range []event{sends("n1", 5), answered(replica.Done, 5), answers(replica.Done)} {
		e(d)
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	m := placedMap(1, 5, "n1")
	a := replica.Answer{Outcome: replica.Done, Epoch: 5, Result: entry.Result{Sequence: 1}}
	var r Request
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(0, replica.Put, 1000)
		r.Next(0, m)
		r.Answered(1, a)
		r.Next(1, m)
	}); n != 0 {
		t.Fatalf("%v allocations for a request, want none", n)
	}
}

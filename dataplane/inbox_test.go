package dataplane

import (
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

func TestInboxKeepsTheOrderOfEachProducer(t *testing.T) {
	t.Parallel()
	const producers, each = 4, 2_000
	in := newInbox(1 << 30)
	var group sync.WaitGroup
	for lane := range producers {
		group.Go(func() {
			for ticket := range uint64(each) {
				in.synced(lane, ticket)
			}
		})
	}
	var next [producers]uint64
	var b batch
	for seen := 0; seen < producers*each; {
		<-in.wake
		b = in.take(b)
		for _, s := range b.synced {
			if s.ticket != next[s.lane] {
				t.Fatalf("producer %d: %d came, want %d", s.lane, s.ticket, next[s.lane])
			}
			next[s.lane]++
			seen++
		}
	}
	group.Wait()
}

func TestInboxBoundsMessagesUntilTaken(t *testing.T) {
	t.Parallel()
	in := newInbox(100)
	one := []inbound{{}}
	for i, want := range []bool{true, true, false} { // the bound is seen once it is passed
		if got := in.messages(one, 90); got != want {
			t.Errorf("message %d taken: %v, want %v", i, got, want)
		}
	}
	if b := in.take(batch{}); len(b.messages) != 2 {
		t.Errorf("took %d messages, want 2", len(b.messages))
	}
	if !in.messages(one, 90) {
		t.Error("no message taken after the others were")
	}
}

func TestClosedInboxRefuses(t *testing.T) {
	t.Parallel()
	in := newInbox(100)
	in.close()
	if in.event(nil) || in.messages([]inbound{{}}, 1) || in.operation(0, &replica.Operation{}) {
		t.Error("a closed inbox took an input")
	}
	in.synced(0, 1)
	if b := in.take(batch{}); len(b.synced) != 0 {
		t.Error("a closed inbox took a completion")
	}
}

func TestTakenBatchHoldsOnToNothing(t *testing.T) {
	t.Parallel()
	in := newInbox(1 << 30)
	in.operation(0, &replica.Operation{Key: []byte("k")})
	spent := in.take(batch{})
	in.take(spent)
	if op := spent.operations[:1][0].op; op.Key != nil {
		t.Error("a spent batch still refers to a key")
	}
	big := batch{operations: make([]operation, 0, spareInputs+1)}
	in.take(big)
	if cap(in.next.operations) != 0 {
		t.Error("a burst's memory is kept")
	}
}

func BenchmarkInbox(b *testing.B) {
	in := newInbox(1 << 40)
	op := replica.Operation{Key: []byte("key"), Value: make([]byte, 100)}
	var taken batch
	for i := range b.N {
		in.operation(0, &op)
		if i%64 == 63 {
			<-in.wake
			taken = in.take(taken)
		}
	}
}

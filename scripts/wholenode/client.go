package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// load is what the clients of a round share.
type load struct {
	*cluster
	began    time.Time
	recorder *history.Recorder
	record   func(o *history.Operation) // has the last word on what is recorded; nil in earnest
	values   atomic.Int64
	repeats  atomic.Int64 // writes that were sent again and answered
}

// keyChange is how long a set of keys is used. Then another is, so that histories
// stay short, and old keys are read again at the end.
const keyChange = 4 * time.Second

// key draws one of those in use.
func (l *load) key(random *rand.Rand) string {
	return keyName(int(time.Since(l.began)/keyChange), random.IntN(l.plan.shape.keys))
}

// keyName names a key of a set.
func keyName(set, i int) string { return fmt.Sprintf("key-%d-%d", set, i) }

// caller is one client with one operation at a time.
type caller struct {
	*load
	number int
	client *client.Client
	fixed  bool // it asks one node only
	random *rand.Rand
	seen   map[string]sighting // what it read or wrote last of each key
}

type sighting struct{ value, etag string }

// newCaller makes a client that finds its way in one of three manners: any node in
// turn, the node that has the key, or always the same node.
func (l *load) newCaller(number int) (*caller, error) {
	config := client.Config{Routing: client.ServerSide, Spread: true}
	for _, n := range l.nodes {
		config.Servers = append(config.Servers, n.http)
	}
	switch number % 3 {
	case 1:
		config.Routing = client.Direct
	case 2:
		config.Servers = []string{l.nodes[number/3%len(l.nodes)].http}
	}
	made, err := client.New(config)
	return &caller{load: l, number: number, client: made, fixed: len(config.Servers) == 1, random: rand.New(rand.NewPCG(l.plan.seed, uint64(100+number))), seen: map[string]sighting{}}, err
}

// run sends requests until ctx ends.
func (c *caller) run(ctx context.Context) error {
	for ctx.Err() == nil {
		o := c.choose(c.key(c.random))
		timeout := 4 * time.Second
		// Who asks one node only does not wait for long where that one is cut off.
		if c.random.IntN(5) == 0 || c.fixed && !o.IsWrite() {
			timeout = between(c.random, 20*time.Millisecond, 500*time.Millisecond)
		}
		repeat := o.IsWrite() && c.random.IntN(6) == 0
		if err := c.do(&o, timeout, repeat); err != nil {
			return err
		}
		c.add(o)
		sleep(ctx, between(c.random, time.Millisecond, 30*time.Millisecond))
	}
	return nil
}

// add records an operation.
func (c *caller) add(o history.Operation) {
	if c.record != nil {
		c.record(&o)
	}
	c.recorder.Add(o)
}

// choose makes up the next operation on a key.
func (c *caller) choose(key string) history.Operation {
	o := history.Operation{Client: c.number, Key: key}
	saw, have := c.seen[key]
	switch p := c.random.IntN(100); {
	case p < 38:
		o.Kind = history.Get
	case p < 70:
		o.Kind = history.Put
	case p < 78:
		o.Kind = history.Delete
	case p < 88 || !have:
		o.Kind = history.Create
	default:
		o.Kind, o.Expected = history.Swap, saw.value
	}
	if o.WritesValue() {
		o.Value = fmt.Sprintf("v%d", c.values.Add(1))
		if c.random.IntN(6) == 0 {
			o.TTL = between(c.random, 50*time.Millisecond, 3*time.Second)
		}
	}
	return o
}

// do carries the operation out, and where it is wanted once more with the same
// Idempotency-Key. An error says that an answer breaks what the documents promise.
func (c *caller) do(o *history.Operation, timeout time.Duration, repeat bool) error {
	var options []client.Option
	if repeat {
		options = append(options, client.IdempotencyKey(fmt.Sprintf("%d-%s-%d", c.number, o.Key, c.values.Add(1))))
	}
	switch o.Kind {
	case history.Create:
		options = append(options, client.IfAbsent())
	case history.Swap:
		options = append(options, client.IfMatch(c.seen[o.Key].etag))
	}
	if o.TTL > 0 {
		options = append(options, client.TTL(o.TTL))
	}
	err := c.send(o, timeout, options)
	if err == nil && repeat {
		err = c.sendAgain(o, timeout, options)
	}
	c.learn(o)
	return err
}

// learn notes what the client knows of the key now.
func (c *caller) learn(o *history.Operation) {
	switch {
	case o.Outcome != history.Applied:
	case o.Kind == history.Get && o.Found:
		c.seen[o.Key] = sighting{o.Read, o.ETag}
	case o.WritesValue():
		c.seen[o.Key] = sighting{o.Value, o.ETag}
	default:
		delete(c.seen, o.Key)
	}
}

// send makes one call of the client's.
func (c *caller) send(o *history.Operation, timeout time.Duration, options []client.Option) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	o.Call = time.Since(c.began)
	switch o.Kind {
	case history.Get:
		var got *client.Value
		if got, err = c.client.Get(ctx, o.Key, options...); got != nil {
			o.Node, o.ETag = got.Way.Node, got.ETag
		}
		if o.Found = err == nil; o.Found {
			o.Read = string(got.Data)
		}
	case history.Delete:
		var deleted *client.Deleted
		if deleted, err = c.client.Delete(ctx, o.Key, options...); err == nil {
			o.Node, o.Found = deleted.Way.Node, deleted.Existed
		}
	default:
		var written *client.Written
		if written, err = c.client.Put(ctx, o.Key, []byte(o.Value), options...); err == nil {
			o.Node, o.ETag, o.Found = written.Way.Node, written.ETag, !written.Created
		}
	}
	o.Return = time.Since(c.began)
	return judge(o, err)
}

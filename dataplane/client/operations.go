package client

import (
	"context"
	"net/http"
	"time"
)

// Way is what an answer tells of its way.
type Way struct {
	Node      string        // who received the request
	Role      string        // what that node is for the key: "primary", "replica" or "none"
	Partition string        // "partition-5"
	Route     string        // with Explain: "n4 > n2 (primary) > n1, n3"
	Timing    string        // with Explain: Server-Timing
	Took      time.Duration // as the client measured it, retries included
	Attempts  int           // requests sent
}

// Value is a key's value.
type Value struct {
	Data []byte
	ETag string // names this value of this key for ever
	Way  Way
}

// Written is what a put answers.
type Written struct {
	Created bool // the key had no value before
	ETag    string
	Way     Way
}

// Deleted is what a delete answers.
type Deleted struct {
	Existed bool // the key had a value
	Way     Way
}

// Get reads the key's value. Without one, the error wraps ErrNotFound, and the
// Value has only the way of the answer.
func (c *Client) Get(ctx context.Context, key string, options ...Option) (*Value, error) {
	a, err := c.do(ctx, newCall("get", http.MethodGet, key, nil, options))
	if a == nil {
		return nil, err
	}
	// Also of a key without a value the answer tells its way.
	return &Value{Data: a.body, ETag: a.header.Get("ETag"), Way: a.way}, err
}

// Put sets the key to the value.
func (c *Client) Put(ctx context.Context, key string, value []byte, options ...Option) (*Written, error) {
	if value == nil {
		value = []byte{}
	}
	a, err := c.do(ctx, newCall("put", http.MethodPut, key, value, options))
	if err != nil {
		return nil, err
	}
	return &Written{Created: a.status == http.StatusCreated, ETag: a.header.Get("ETag"), Way: a.way}, nil
}

// Delete removes the key, if it is there.
func (c *Client) Delete(ctx context.Context, key string, options ...Option) (*Deleted, error) {
	a, err := c.do(ctx, newCall("delete", http.MethodDelete, key, nil, options))
	if err != nil {
		return nil, err
	}
	return &Deleted{Existed: a.header.Get("Holdfast-Existed") == "true", Way: a.way}, nil
}

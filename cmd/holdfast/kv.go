package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// dataFlags are those of get, put and delete.
type dataFlags struct {
	serverFlags
	Verbose bool `short:"v" help:"Tell the request's way."`
}

func (f dataFlags) options() []client.Option {
	if f.Verbose {
		return []client.Option{client.Explain()}
	}
	return nil
}

// told is a data command's answer as JSON.
type told struct {
	mapjson.Key
	Found       *bool   `json:"found,omitempty"`
	Value       *string `json:"value,omitempty"`        // where it is UTF-8
	ValueBase64 string  `json:"value_base64,omitempty"` // where it is not
	Created     *bool   `json:"created,omitempty"`
	Existed     *bool   `json:"existed,omitempty"`
	ETag        string  `json:"etag,omitempty"`
	Partition   string  `json:"partition"`
	Node        string  `json:"node"`
	Role        string  `json:"role"`
	Route       string  `json:"route,omitempty"`
	Attempts    int     `json:"attempts"`
	Millis      float64 `json:"milliseconds"`
}

func tellWay(key string, w client.Way) told {
	return told{Key: mapjson.KeyOf([]byte(key)), Partition: w.Partition, Node: w.Node, Role: w.Role, Route: w.Route, Attempts: w.Attempts,
		Millis: float64(w.Took.Microseconds()) / 1000}
}

// dataError gives a client's error the exit code that it has in the manual.
func dataError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, client.ErrNotFound):
		return coded{err, exitFailure}
	case errors.Is(err, client.ErrPrecondition):
		return coded{err, exitPrecondition}
	case errors.Is(err, client.ErrOutcomeUnknown):
		return coded{err, exitUnknown}
	}
	return coded{err, exitNotApplied}
}

type getCommand struct {
	dataFlags
	Key   string `arg:"" help:"The key."`
	Stale bool   `help:"Take whatever a replica has; it may be old."`
}

// Run writes the value, byte for byte, to standard output.
func (c *getCommand) Run(ctx context.Context, t *terminal) error {
	server, ctx, end, err := c.client(ctx)
	if err != nil {
		return err
	}
	defer end()
	options := c.options()
	if c.Stale {
		options = append(options, client.Stale())
	}
	v, err := server.Get(ctx, c.Key, options...)
	if v != nil && c.Verbose {
		fmt.Fprintln(t.err, inWords(v.Way, false))
	}
	absent := errors.Is(err, client.ErrNotFound)
	if err != nil && (!absent || !c.JSON) {
		return dataError(err)
	}
	if !c.JSON {
		_, err = t.out.Write(v.Data)
		return err
	}
	out := tellWay(c.Key, v.Way)
	found := !absent
	out.Found, out.ETag = &found, v.ETag
	switch text := string(v.Data); {
	case absent:
	case utf8.ValidString(text):
		out.Value = &text
	default:
		out.ValueBase64 = base64.StdEncoding.EncodeToString(v.Data)
	}
	if err := printJSON(t.out, out); err != nil {
		return err
	}
	if absent {
		return exit(exitFailure)
	}
	return nil
}

// conditionFlags make a write conditional.
type conditionFlags struct {
	IfMatch  []string `help:"Only if the key's value has this ETag; repeatable. * is any value." placeholder:"ETAG" env:"-"`
	IfAbsent bool     `help:"Only if the key has no value." env:"-"`
	// IdempotencyKey makes the command itself safe to repeat.
	IdempotencyKey *string `help:"Name of this write: the same again within 10 minutes is applied once." placeholder:"NAME" env:"-"`
}

func (f conditionFlags) options() (options []client.Option, err error) {
	if f.IdempotencyKey != nil {
		options = append(options, client.IdempotencyKey(*f.IdempotencyKey))
	}
	switch {
	case f.IfAbsent && len(f.IfMatch) > 0:
		return nil, usage(errors.New("--if-absent and --if-match exclude one another"))
	case f.IfAbsent:
		options = append(options, client.IfAbsent())
	case len(f.IfMatch) > 0:
		tags := make([]string, len(f.IfMatch))
		for i, tag := range f.IfMatch {
			if tags[i] = tag; tag != "*" && tag[:min(1, len(tag))] != `"` {
				tags[i] = `"` + tag + `"` // a shell eats the quotes
			}
		}
		options = append(options, client.IfMatch(tags...))
	}
	return options, nil
}

type putCommand struct {
	dataFlags
	conditionFlags
	TTL   time.Duration `name:"ttl" help:"The value ends after that long, 1ms to 10 years; 0 is never." placeholder:"DURATION" env:"-"`
	Key   string        `arg:"" help:"The key."`
	Value *string       `arg:"" optional:"" help:"The value; without it, or as -, it is read from standard input."`
}

// Run sets the key.
func (c *putCommand) Run(ctx context.Context, t *terminal) error {
	conditions, err := c.conditionFlags.options()
	if err != nil {
		return err
	}
	if c.TTL != 0 {
		conditions = append(conditions, client.TTL(c.TTL))
	}
	var value []byte
	if c.Value != nil && *c.Value != "-" {
		value = []byte(*c.Value)
	} else if value, err = io.ReadAll(t.in); err != nil {
		return coded{fmt.Errorf("read standard input: %w", err), exitNotApplied}
	}
	server, ctx, end, err := c.client(ctx)
	if err != nil {
		return err
	}
	defer end()
	w, err := server.Put(ctx, c.Key, value, append(conditions, c.dataFlags.options()...)...)
	if err != nil {
		return dataError(err)
	}
	if c.Verbose {
		fmt.Fprintln(t.err, inWords(w.Way, true))
	}
	if !c.JSON {
		return nil
	}
	out := tellWay(c.Key, w.Way)
	out.Created, out.ETag = &w.Created, w.ETag
	return printJSON(t.out, out)
}

type deleteCommand struct {
	dataFlags
	conditionFlags
	Key string `arg:"" help:"The key."`
}

// Run removes the key. That it was not there is no error, as in HTTP.
func (c *deleteCommand) Run(ctx context.Context, t *terminal) error {
	conditions, err := c.conditionFlags.options()
	if err != nil {
		return err
	}
	server, ctx, end, err := c.client(ctx)
	if err != nil {
		return err
	}
	defer end()
	d, err := server.Delete(ctx, c.Key, append(conditions, c.dataFlags.options()...)...)
	if err != nil {
		return dataError(err)
	}
	if c.Verbose {
		fmt.Fprintln(t.err, inWords(d.Way, d.Existed))
		if !d.Existed {
			fmt.Fprintln(t.err, "the key had no value")
		}
	}
	if c.JSON {
		out := tellWay(c.Key, d.Way)
		out.Existed = &d.Existed
		return printJSON(t.out, out)
	}
	return nil
}

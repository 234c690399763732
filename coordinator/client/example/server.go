package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	// service is what the others find this server's address under.
	service = "kv"
	// proposeAgain is how often what the coordinators do not answer is asked again.
	proposeAgain = 250 * time.Millisecond
	// patience bounds a request between servers, requestTimeout one of a client.
	patience       = 2 * time.Second
	requestTimeout = 15 * time.Second
	// forwarded marks a request that another server has passed on: it is not passed
	// on again.
	forwarded = "Example-Forwarded"
	mostBytes = 64 << 20
)

// server is one node of the cluster with its copies.
type server struct {
	client  *client.Client
	copies  []held
	offices []office
	http    *http.Client

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

// join makes the server a node of the cluster, which serves at the address.
func join(ctx context.Context, config client.Config, addr string) (*server, error) {
	config.Services = map[string]string{service: addr}
	config.ProposesItself = true // a primary knows best when a learner has everything
	c, err := client.Join(ctx, config)
	if err != nil {
		return nil, err
	}
	n := c.Map().Settings.Partitions
	s := &server{client: c, copies: make([]held, n), offices: make([]office, n), http: &http.Client{Timeout: patience}}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.OnPartitionEvent(s.learn)
	s.running.Go(s.moves)
	return s, nil
}

// close leaves the cluster; the map still names the node.
func (s *server) close() {
	s.stop()
	s.running.Wait()
	_ = s.client.Close()
	s.http.CloseIdleConnections()
}

// learn is the hook of a partition that this node is to have: it asks the primary
// for the content, until it counts.
func (s *server) learn(ctx context.Context, e client.PartitionEvent) error {
	for {
		version := s.client.Map().Version
		p, err := s.client.GetPartitionByID(e.Partition)
		if err != nil || p.Configuration.InSync(s.client.NodeID()) {
			return err
		}
		if primary := s.client.GetPrimary(p); primary != nil {
			if err := s.send(ctx, primary, e.Partition, "join", s.client.NodeID()); err != nil {
				return err
			}
		}
		wait, cancel := context.WithTimeout(ctx, proposeAgain)
		_ = s.client.WaitMap(wait, version)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// moves does what moves want of a primary, once all members have everything.
func (s *server) moves() {
	for s.ctx.Err() == nil {
		m := s.client.Map()
		for i := range m.Moves {
			id := m.Moves[i].Partition
			p, err := s.client.GetPartitionByID(id)
			if err != nil || !s.client.IsPrimary(p) {
				continue
			}
			ctx, cancel := context.WithTimeout(s.ctx, patience)
			_ = s.lead(ctx, id, func(context.Context, partition.Epoch, []*client.Node) (*client.Node, error) {
				now, err := s.client.GetPartitionByID(id)
				if err == nil {
					if change, wanted := s.client.MoveChange(now); wanted {
						s.client.Propose(change)
					}
				}
				return nil, err
			})
			cancel()
		}
		wait, cancel := context.WithTimeout(s.ctx, proposeAgain)
		_ = s.client.WaitMap(wait, m.Version)
		cancel()
	}
}

func (s *server) handler() http.Handler {
	r := chi.NewRouter()
	r.Get("/kv/*", s.serveKey)
	r.Put("/kv/*", s.serveKey)
	r.Post("/internal/{partition}/{what}", s.serveInternal)
	return r
}

// serveKey answers a client: here, if this node is the primary of the key's
// partition, or by passing the request on to it.
func (s *server) serveKey(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	key := strings.TrimPrefix(r.URL.Path, "/kv/")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for {
		version := s.client.Map().Version
		done, err := s.try(ctx, w, r, key, body)
		if done {
			return
		}
		if r.Header.Get(forwarded) != "" || ctx.Err() != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		wait, cancelWait := context.WithTimeout(ctx, proposeAgain)
		_ = s.client.WaitMap(wait, version)
		cancelWait()
	}
}

// try makes one attempt; a write may be made again, for it sets a key to a value.
func (s *server) try(ctx context.Context, w http.ResponseWriter, r *http.Request, key string, body []byte) (done bool, err error) {
	p, err := s.client.GetPartition(key)
	if err != nil {
		return false, err
	}
	if !s.client.IsPrimary(p) {
		return s.forward(ctx, w, r, p, body)
	}
	if r.Method == http.MethodPut {
		if err := s.put(ctx, p.Number, key, string(body)); err != nil {
			return false, err
		}
		w.WriteHeader(http.StatusNoContent)
		return true, nil
	}
	value, found, err := s.get(ctx, p.Number, key)
	switch {
	case err != nil:
		return false, err
	case !found:
		http.Error(w, "there is no such key", http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, value)
	}
	return true, nil
}

// forward passes a request on to the primary, once.
func (s *server) forward(ctx context.Context, w http.ResponseWriter, r *http.Request, p *client.Partition, body []byte) (done bool, err error) {
	primary := s.client.GetPrimary(p)
	if primary == nil || r.Header.Get(forwarded) != "" {
		return false, errNotPrimary
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	onward, err := http.NewRequestWithContext(ctx, r.Method, "http://"+primary.Services[service]+r.URL.EscapedPath(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	onward.Header.Set(forwarded, string(s.client.NodeID()))
	answer, err := s.http.Do(onward)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusServiceUnavailable {
		return false, fmt.Errorf("%s: %s", primary.ID, answer.Status)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
	return true, nil
}

// serveInternal answers another server.
func (s *server) serveInternal(w http.ResponseWriter, r *http.Request) {
	id, err := partition.ParseID(chi.URLParam(r, "partition"))
	if err == nil && int(id) >= len(s.copies) {
		err = errors.New("there is no such partition")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	own := &s.copies[id]
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBytes))
	switch chi.URLParam(r, "what") {
	case "state":
		err = receive(body, own.replace)
	case "write":
		err = receive(body, own.apply)
	case "confirm":
		err = receive(body, own.enter)
	case "join":
		err = receive(body, func(node partition.NodeID) error {
			learner, known := s.client.Map().Node(node)
			if !known {
				return fmt.Errorf("node %s is not in the map", node)
			}
			return s.admit(r.Context(), id, learner)
		})
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// receive decodes a message and hands it on.
func receive[T any](body *json.Decoder, to func(T) error) error {
	var v T
	if err := body.Decode(&v); err != nil {
		return err
	}
	return to(v)
}

// toAll sends the same to all members; the first that did not take it is named.
func (s *server) toAll(ctx context.Context, members []*client.Node, id partition.ID, what string, message any) (failed *client.Node, err error) {
	faults := make([]error, len(members))
	var sending sync.WaitGroup
	for i, m := range members {
		sending.Go(func() { faults[i] = s.send(ctx, m, id, what, message) })
	}
	sending.Wait()
	for i, err := range faults {
		if err != nil {
			return members[i], err
		}
	}
	return nil, nil
}

// send sends one message to another server, and wants it taken.
func (s *server) send(ctx context.Context, to *client.Node, id partition.ID, what string, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s/internal/%d/%s", to.Services[service], id, what), bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		return fmt.Errorf("%s does not take %s of %v: %s", to.ID, what, id, bytes.TrimSpace(said))
	}
	return nil
}

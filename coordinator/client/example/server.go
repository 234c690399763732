package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	// service is what the others find this server's address under.
	service = "kv"
	// lookAgain is how long a request waits for a newer map before it tries again.
	lookAgain = 250 * time.Millisecond
	// patience bounds a request between servers, requestTimeout one of a client.
	patience       = 2 * time.Second
	requestTimeout = 15 * time.Second
	// forwarded marks a request that another server has passed on: it is not passed
	// on again.
	forwarded = "Example-Forwarded"
	// sequenceOf tells which write the answer is of, or from.
	sequenceOf = "Example-Sequence"
	mostBytes  = 64 << 20
)

var (
	errNotPrimary  = errors.New("this server is not the partition's primary")
	errNoSuchThing = errors.New("there is no such thing")
)

// server is one node of the cluster with its copies.
type server struct {
	client *client.Client
	copies []held
	http   *http.Client
	// targets are the nodes that must store a write; tests leave some out, to see
	// that this is noticed.
	targets func(*client.Write) []*client.Node

	running context.Context // of requests: ends with the server
	stop    context.CancelFunc
}

// join makes the server a node of the cluster, which serves at the address.
func join(ctx context.Context, config client.Config, addr string) (*server, error) {
	config.Services = map[string]string{service: addr}
	c, err := client.Join(ctx, config)
	if err != nil {
		return nil, err
	}
	s := &server{
		client: c, copies: make([]held, c.Map().Settings.Partitions),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, targets: (*client.Write).Targets,
	}
	s.running, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	for i := range s.copies {
		s.copies[i].accept = func(epoch partition.Epoch) error {
			p, err := c.GetPartitionByID(partition.ID(i))
			if err != nil {
				return err
			}
			return c.Accept(p, epoch)
		}
	}
	return s, nil
}

// begin registers the hooks: from now on this node copies, and takes over.
func (s *server) begin() {
	s.client.OnTakeover(s.takeOver)
	s.client.OnPartitionEvent(s.learn)
}

// close leaves the cluster; the map still names the node.
func (s *server) close() {
	s.stop()
	_ = s.client.Close()
	s.http.CloseIdleConnections()
}

func (s *server) handler() http.Handler {
	r := chi.NewRouter()
	r.Get("/kv/*", s.serveKey)
	r.Put("/kv/*", s.serveKey)
	r.Post("/internal/{partition}/{what}", s.serveInternal)
	return r
}

// serveKey answers a client: here, if this node is the primary of the key's
// partition, or by passing the request on to it. It tries again as long as nothing
// was done: 503 says that nothing was, and 504 that it is not known.
func (s *server) serveKey(w http.ResponseWriter, r *http.Request) {
	// A client that hangs up ends no write that has begun.
	ctx, cancel := context.WithTimeout(s.running, requestTimeout)
	defer cancel()
	key := strings.TrimPrefix(r.URL.Path, "/kv/")
	if r.Method == http.MethodPut && r.Header.Get("Content-Range") != "" {
		http.Error(w, "a PUT has the whole value, not a part of it", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for {
		version := s.client.Map().Version
		done, err := s.try(ctx, w, r, key, body)
		switch {
		case done:
			return
		case r.Method == http.MethodPut && errors.Is(err, client.ErrOutcomeUnknown):
			http.Error(w, err.Error(), http.StatusGatewayTimeout)
			return
		case r.Header.Get(forwarded) != "" || ctx.Err() != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		wait, cancelWait := context.WithTimeout(ctx, lookAgain)
		_ = s.client.WaitMap(wait, version)
		cancelWait()
	}
}

// try makes one attempt.
func (s *server) try(ctx context.Context, w http.ResponseWriter, r *http.Request, key string, body []byte) (done bool, err error) {
	p, err := s.client.GetPartition(key)
	if err != nil {
		return false, err
	}
	if !s.client.IsPrimary(p) {
		return s.forward(ctx, w, r, p, body)
	}
	if r.Method == http.MethodPut {
		sequence, err := s.put(ctx, p, key, string(body))
		if err != nil {
			return false, err
		}
		w.Header().Set(sequenceOf, strconv.FormatUint(sequence, 10))
		w.WriteHeader(http.StatusNoContent)
		return true, nil
	}
	v, found, err := s.get(ctx, p, key)
	switch {
	case err != nil:
		return false, err
	case !found:
		http.Error(w, "there is no such key", http.StatusNotFound)
	default:
		w.Header().Set(sequenceOf, strconv.FormatUint(v.Sequence, 10))
		_, _ = io.WriteString(w, v.Value.string)
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
	var network *net.OpError
	switch {
	case errors.As(err, &network) && network.Op == "dial":
		return false, err // it never left
	case err != nil:
		return false, fmt.Errorf("%w: %w", client.ErrOutcomeUnknown, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusServiceUnavailable {
		return false, fmt.Errorf("%s: %s", primary.ID, answer.Status)
	}
	content, err := io.ReadAll(answer.Body)
	if err != nil { // part of a value is no value
		return false, fmt.Errorf("%w: %w", client.ErrOutcomeUnknown, err)
	}
	if sequence := answer.Header.Get(sequenceOf); sequence != "" {
		w.Header().Set(sequenceOf, sequence)
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(content)
	return true, nil
}

// serveInternal answers another server.
func (s *server) serveInternal(w http.ResponseWriter, r *http.Request) {
	id, err := partition.ParseID(chi.URLParam(r, "partition"))
	if err == nil && int(id) >= len(s.copies) {
		err = errNoSuchThing
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := s.serve(id, chi.URLParam(r, "what"), json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBytes)).Decode)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// ask sends one message to another server, and wants it taken. It fails with
// client.ErrStaleEpoch where the other refuses it.
func (s *server) ask(ctx context.Context, to *client.Node, id partition.ID, what string, message, answer any) error {
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
	response, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(response.Body).Decode(&answer)
	case http.StatusConflict:
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("%s does not take %s of %v: %w: %s", to.ID, what, id, client.ErrStaleEpoch, bytes.TrimSpace(reason))
	}
	return fmt.Errorf("%s: %s of %v: %s", to.ID, what, id, response.Status)
}

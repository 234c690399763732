package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/holdfast-io/holdfast/dataplane/routing"
)

// drain is how long Close lets requests under way finish by themselves.
const drain = 2 * time.Second

// server is the HTTP server around the routes: its timeouts, and its
// connections, which are waited for.
type server struct {
	http   http.Server
	g      *Gateway
	routes *chi.Mux
	stop   context.CancelFunc // ends what waits in handlers
	open   sync.WaitGroup     // connections

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newServer(g *Gateway) *server {
	ctx, stop := context.WithCancel(context.Background())
	s := &server{g: g, routes: g.routes, stop: stop, conns: map[net.Conn]struct{}{}}
	// ReadTimeout is for what has no deadline of its own: bodies that upload
	// does not watch. It must outlast any wait for an answer, or the server
	// would take the wait for a client that hung up.
	longest := g.limits.LongestTimeout + routing.Grace
	s.http = http.Server{
		Handler:           s,
		ReadHeaderTimeout: g.limits.HeaderRead,
		ReadTimeout:       g.limits.HeaderRead + longest + g.limits.BodyStall,
		IdleTimeout:       g.limits.Idle,
		MaxHeaderBytes:    g.limits.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       newConnContext,
		ConnState:         s.connState,
		// An OPTIONS * that net/http answered would not name this node.
		DisableGeneralOptionsHandler: true,
	}
	s.http.RegisterOnShutdown(s.closeUnused)
	return s
}

// connContext is the context of a connection's requests.
type connContext struct {
	context.Context
	conn   *conn
	routes chi.Context
}

type connContextKey struct{}

func newConnContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		return &connContext{Context: ctx, conn: c}
	}
	return ctx
}

func (c *connContext) Value(key any) any {
	switch key {
	case connContextKey{}:
		return c
	case chi.RouteCtxKey:
		return &c.routes
	}
	return c.Context.Value(key)
}

// ServeHTTP gives chi the routing context of the connection, made once: an
// HTTP/1 connection has one request at a time. chi would otherwise make one, a
// context and a copy of the request each time (3 allocations, about 0.5 us).
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connContextKey{}).(*connContext); ok {
		c.conn.serving = true
		c.routes.Reset()
		c.routes.Routes = s.routes
	}
	s.g.sign(w)
	s.routes.ServeHTTP(w, r)
}

func (s *server) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.open.Add(1)
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
	case http.StateIdle:
		if c, ok := c.(*conn); ok {
			c.serving = false
		}
	case http.StateClosed, http.StateHijacked:
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		s.open.Done()
	}
}

// closeUnused closes connections that never sent a byte: http.Server.Shutdown
// would wait 5 s for a request on them.
func (s *server) closeUnused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c, ok := c.(*conn); ok && !c.used.Load() {
			_ = c.Close() // it is only given up
		}
	}
}

// Serve answers requests on the listener until Close. It returns nil after
// Close, and the listener's error otherwise.
func (g *Gateway) Serve(l net.Listener) error {
	err := g.server.http.Serve(listener{l, g.limits.Write, g.self[0]})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("gateway: serve on %s: %w", l.Addr(), err)
}

// Close stops taking connections, lets requests under way finish for a moment,
// ends those that still wait with what is known of them, and returns when no
// connection is left.
func (g *Gateway) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	err := g.server.http.Shutdown(ctx)
	g.server.stop()
	if errors.Is(err, context.DeadlineExceeded) {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err = g.server.http.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			err = g.server.http.Close() // clients that do not read their answers
		}
	}
	g.server.open.Wait()
	if err != nil {
		return fmt.Errorf("gateway: close: %w", err)
	}
	return nil
}

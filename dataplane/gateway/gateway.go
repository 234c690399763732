package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"
)

// Gateway serves a node's HTTP interface.
type Gateway struct {
	backend Backend
	limits  Limits
	log     *slog.Logger
	metrics *metrics
	routes  *chi.Mux
	server  *server
	uploads uploads
	// bodies is the memory for request bodies, arriving and waiting, in bytes.
	bodies    *semaphore.Weighted
	exchanges sync.Pool // of *exchange
	self      []string  // the Holdfast-Node header
	leaving   atomic.Bool
	names     atomic.Pointer[[][]string]
}

// New makes a gateway. It serves once Serve is called, or through Handler.
func New(o Options) (*Gateway, error) {
	if o.Backend == nil {
		return nil, errors.New("gateway: no backend")
	}
	limits := o.Limits.WithDefaults()
	if err := limits.Validate(); err != nil {
		return nil, fmt.Errorf("gateway limits: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{
		backend: o.Backend, limits: limits, log: o.Logger,
		bodies: semaphore.NewWeighted(limits.Bodies),
		self:   []string{string(o.Backend.Self())},
	}
	g.exchanges.New = func() any { return newExchange(g) }
	var err error
	if g.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, fmt.Errorf("gateway metrics: %w", err)
	}
	g.route(o)
	g.server = newServer(g)
	return g, nil
}

// Leave makes every answer on a key close its connection from now on, so that
// clients go to another node before this one ends.
func (g *Gateway) Leave() { g.leaving.Store(true) }

// Handler returns the interface without the server around it: header and idle
// timeouts are then the caller's.
func (g *Gateway) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.sign(w)
		g.routes.ServeHTTP(w, r)
	})
}

// sign names this node in the answer. Every answer has the header, errors
// included: a client believes an answer without it no more than a proxy's page.
func (g *Gateway) sign(w http.ResponseWriter) { w.Header()[headerNode] = g.self }

func (g *Gateway) route(o Options) {
	g.routes = chi.NewRouter()
	g.routes.NotFound(noSuchRoute)
	g.routes.MethodNotAllowed(g.methodNotAllowed)
	g.routes.Get("/v1/kv/*", g.get)
	g.routes.Head("/v1/kv/*", g.get)
	g.routes.Put("/v1/kv/*", g.put)
	g.routes.Delete("/v1/kv/*", g.delete)
	for path, handler := range map[string]http.HandlerFunc{
		"/v1/partitions":      g.getPartitions,
		"/v1/partitions/{id}": g.getPartition,
		"/v1/nodes":           g.getNodes,
		"/v1/cluster":         g.getCluster,
		"/v1/locate/*":        g.locate,
		"/livez":              g.livez,
		"/readyz":             g.readyz,
	} {
		g.routes.Get(path, handler)
		g.routes.Head(path, handler)
	}
	if o.Gatherer != nil {
		g.routes.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	}
}

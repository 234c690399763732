package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
)

// httpServer is a coordinator's HTTP side.
type httpServer struct {
	addr     string // actually listened on
	listener net.Listener
	server   *http.Server
}

// listenHTTP opens the HTTP address, if there is one.
func (c *Coordinator) listenHTTP() error {
	if c.config.HTTPAddr == "" {
		return nil
	}
	l, err := net.Listen("tcp", c.config.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	c.http = &httpServer{addr: l.Addr().String(), listener: l, server: &http.Server{
		Handler: c.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: LongestWait + 5*time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}}
	return nil
}

// serve answers requests until close.
func (h *httpServer) serve() { _ = h.server.Serve(h.listener) }

// close lets requests under way end for a moment.
func (h *httpServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = errors.Join(h.server.Shutdown(ctx), h.server.Close(), h.listener.Close())
}

// advertisedHTTP is the address that others are told.
func (c *Coordinator) advertisedHTTP() string {
	if c.config.AdvertiseHTTPAddr != "" || c.http == nil {
		return c.config.AdvertiseHTTPAddr
	}
	return c.http.addr
}

// Handler serves the coordinator's HTTP interface; a program that has an HTTP
// server of its own may mount it there.
func (c *Coordinator) Handler() http.Handler {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			// Clients believe no answer that names neither a node nor a coordinator.
			w.Header().Set("Holdfast-Coordinator", c.config.ID)
			next.ServeHTTP(w, q)
		})
	})
	r.NotFound(func(w http.ResponseWriter, q *http.Request) {
		problem(w, http.StatusNotFound, "no-such-route", "there is nothing at "+q.URL.Path)
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, q *http.Request) {
		problem(w, http.StatusMethodNotAllowed, "method-not-allowed", q.Method+" is not possible at "+q.URL.Path)
	})
	r.Get("/v1/partitions", c.getPartitions)
	r.Get("/v1/partitions/{id}", c.getPartition)
	r.Get("/v1/nodes", c.getNodes)
	r.Get("/v1/cluster", c.getCluster)
	r.Get("/v1/locate/*", c.getLocation)
	r.Get("/v1/overrides", c.getOverrides)
	r.Get("/v1/plan", c.getPlan)
	r.Get("/v1/moves", c.getMoves)
	r.Post("/v1/nodes/{id}/drain", c.postOrder(protocol.Drain))
	r.Post("/v1/nodes/{id}/undrain", c.postOrder(protocol.Undrain))
	r.Post("/v1/nodes/{id}/remove", c.postOrder(protocol.RemoveNode))
	r.Post("/v1/nodes/{id}/weight", c.postOrder(protocol.Weigh))
	r.Post("/v1/nodes/{id}/accept-start", c.postOrder(protocol.AcceptStart))
	r.Post("/v1/rebalance", c.postRebalance)
	r.Post("/v1/coordinators/{id}/add", c.postOrder(protocol.AddCoordinator))
	r.Post("/v1/coordinators/{id}/remove", c.postOrder(protocol.RemoveCoordinator))
	r.Get("/v1/recover-map", c.getRecoverMap)
	r.Post("/v1/recover-map", c.postRecoverMap)
	r.Post("/v1/recover", c.postRecover(false))
	r.Post("/v1/unsafe-recover", c.postRecover(true))
	r.Get("/livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]string{"status": "live"}) })
	r.Get("/readyz", c.getReady)
	gatherer := c.config.Gatherer
	if gatherer == nil {
		gatherer = prometheus.Gatherer(c.metrics.own)
	}
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return r
}

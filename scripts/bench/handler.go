package main

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

// handlerCommand makes this program the bare handler: the ceiling for anything
// that answers HTTP with the same router. It stores nothing.
const handlerCommand = "serve-bare-handler"

func serveHandler(addr string) error {
	value := bytes.Repeat([]byte("v"), 100)
	router := chi.NewRouter()
	router.Get("/v1/kv/*", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(value) })
	router.Put("/v1/kv/*", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	server := &http.Server{Addr: addr, Handler: router, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

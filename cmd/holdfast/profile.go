package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// profileFlag lets Go's profiler be asked what a process does and holds.
type profileFlag struct {
	ProfileAddr string `help:"Address for Go's profiler, /debug/pprof/; anybody who reaches it can slow the process down. Default: none." placeholder:"HOST:PORT"`
}

// serve serves the profiler until end is called, where an address is given.
func (f profileFlag) serve(ctx context.Context) (end func(), err error) {
	if f.ProfileAddr == "" {
		return func() {}, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.ProfileAddr)
	if err != nil {
		return nil, fmt.Errorf("listen on profile address %s: %w", f.ProfileAddr, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // it is nobody's service: the node goes on without it
	}()
	return func() {
		_ = s.Close() // it only gives up its connections
		<-done
	}, nil
}

// Command example is a whole server on Holdfast's library: it brings its own
// storage, a map in memory, and leaves to the coordinators who has which
// partition. Any server takes any request. It is what ClusterKit's server-side
// example does, made right: there a replica that receives a write stores it by
// itself; here only the primary orders writes, and answers when all replicas
// have them.
//
//	holdfast coordinator ... --application example     (three of them)
//	go run ./coordinator/client/example -id a -addr 127.0.0.1:9001 -coordinators 127.0.0.1:7081,127.0.0.1:7083,127.0.0.1:7085
//	curl -X PUT -d hello 127.0.0.1:9001/kv/greeting
//	curl 127.0.0.1:9002/kv/greeting
package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

func main() {
	id := flag.String("id", "", "name of this server")
	addr := flag.String("addr", "127.0.0.1:9001", "where it serves, and is told to the others")
	coordinators := flag.String("coordinators", "127.0.0.1:7081", "peer addresses of all of them, separated by commas: any may lead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, *id, *addr, strings.Split(*coordinators, ","), logger); err != nil {
		logger.Error("the server ends", "err", err)
		stop()
		os.Exit(1) //nolint:forbidigo // the command's own exit code
	}
}

func run(ctx context.Context, id, addr string, coordinators []string, logger *slog.Logger) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s, err := join(ctx, client.Config{
		NodeID: partition.NodeID(id), Coordinators: coordinators, Application: "example", Logger: logger,
	}, listener.Addr().String())
	if err != nil {
		return err
	}
	defer s.close()
	s.begin()
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { // ends with ctx
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

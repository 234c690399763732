package coordinator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// DefaultApplication is the application that a cluster serves unless it was
// created for another.
const DefaultApplication = "holdfast"

// Timings are a coordinator's durations.
type Timings struct {
	RaftHeartbeat time.Duration // a follower that hears nothing for that long asks for votes; default 300 ms
	RaftElection  time.Duration // default 300 ms
	RaftLease     time.Duration // a leader that hears no majority for that long steps down; default 200 ms
	Tick          time.Duration // between looks at who is live; default 50 ms
	Beat          time.Duration // between signs of life on the map streams; default 250 ms
	Forward       time.Duration // how long a request waits for a leader; default 5 s
	ReplaceAfter  time.Duration // how long a node is away before others get its replicas; default 5 min
	// Found is how long coordinators with empty directories listen, before they
	// found a cluster, for nodes that belong to one already; default 1.5 s. Enough
	// nodes that belong to none end it sooner.
	Found time.Duration
}

func (t Timings) withDefaults() Timings {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.RaftHeartbeat, 300 * time.Millisecond}, {&t.RaftElection, 300 * time.Millisecond},
		{&t.RaftLease, 200 * time.Millisecond}, {&t.Tick, 50 * time.Millisecond},
		{&t.Beat, 250 * time.Millisecond}, {&t.Forward, 5 * time.Second},
		{&t.ReplaceAfter, 5 * time.Minute}, {&t.Found, 1500 * time.Millisecond},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return t
}

// Config is what a coordinator is started with.
type Config struct {
	ID       string // its name in the group: "c1"
	DataDir  string // made if it is not there; locked while the coordinator runs
	HTTPAddr string // address to serve HTTP on; "" for none
	PeerAddr string // address for Raft and the nodes' connections
	// The addresses that others are told. Default: the actual ones; for the
	// peer address, what InitialCluster says.
	AdvertiseHTTPAddr string
	AdvertisePeerAddr string
	// InitialCluster names all members at the group's first start, this one
	// among them, with their advertised peer addresses.
	InitialCluster map[string]string
	// Settings of the cluster. They count when it is created; later a value
	// other than zero must agree with the stored one. Zero is "not given".
	Settings    partition.Settings
	Application string // as Settings; "" is "not given", at creation DefaultApplication
	Timings     Timings

	TLS        *tls.Config           // for the peer address; nil is plain TCP
	Network    transport.Network     // default transport.TCP()
	Registerer prometheus.Registerer // nil: metrics are kept, and served nowhere
	Gatherer   prometheus.Gatherer   // what /metrics serves; nil: only the metrics of this coordinator
	Logger     *slog.Logger          // nil: nothing is logged

	// DialStream makes Raft's connections; default transport.DialStream with TLS.
	DialStream func(ctx context.Context, addr string, kind byte) (net.Conn, error)
}

func (c Config) withDefaults() Config {
	c.Timings = c.Timings.withDefaults()
	if c.Network == nil {
		c.Network = transport.TCP()
	}
	if c.DialStream == nil {
		config := c.TLS
		c.DialStream = func(ctx context.Context, addr string, kind byte) (net.Conn, error) {
			return transport.DialStream(ctx, addr, kind, config)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.AdvertisePeerAddr == "" {
		c.AdvertisePeerAddr = c.InitialCluster[c.ID]
	}
	return c
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.ID == "" || strings.ContainsAny(c.ID, "=, ") {
		bad("id %q: want a name without '=', ',' and spaces", c.ID)
	}
	if c.DataDir == "" {
		bad("data-dir is missing")
	}
	if c.PeerAddr == "" {
		bad("peer-addr is missing")
	}
	own, ok := c.InitialCluster[c.ID]
	if !ok {
		bad("initial-cluster does not name this coordinator, %q", c.ID)
	} else if c.AdvertisePeerAddr != "" && c.AdvertisePeerAddr != own {
		bad("advertise-peer-addr %s disagrees with initial-cluster, which has %s=%s", c.AdvertisePeerAddr, c.ID, own)
	}
	seen := map[string]string{}
	for id, addr := range c.InitialCluster {
		if host, _, err := net.SplitHostPort(addr); err != nil {
			bad("initial-cluster: %s=%s: %w", id, addr, err)
		} else if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			bad("initial-cluster: %s=%s: others cannot reach that address", id, addr)
		}
		if other, twice := seen[addr]; twice {
			bad("initial-cluster: %s and %s have the same address %s", other, id, addr)
		}
		seen[addr] = id
	}
	if n := len(c.InitialCluster); n > 0 && n%2 == 0 {
		bad("initial-cluster has %d members: want an odd number, three or five", n)
	}
	if err := settingsWithDefaults(c.Settings).Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

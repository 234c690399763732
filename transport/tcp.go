package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

// TCP returns the network of the machine.
func TCP() Network { return tcp{} }

type tcp struct{}

// Listen implements Network.
func (tcp) Listen(addr string, o Options) (Listener, error) {
	nl, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return listen(nl, o), nil
}

// Dial implements Network.
func (tcp) Dial(addr string, o Options) Link { return newLink(addr, o, dialTCP) }

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// DialStream connects to addr for another protocol of a Listener: the one that
// its Options.Streams has for kind. config may be nil.
func DialStream(ctx context.Context, addr string, kind byte, config *tls.Config) (net.Conn, error) {
	raw, err := dialTCP(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	return openStream(ctx, raw, addr, kind, config)
}

func openStream(ctx context.Context, raw net.Conn, addr string, kind byte, config *tls.Config) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	nc, err := secure(ctx, raw, addr, config)
	if err == nil {
		_, err = nc.Write([]byte{kind})
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	return nc, nil
}

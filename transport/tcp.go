package transport

import (
	"context"
	"crypto/tls"
	"net"
)

// TCP returns the network of the machine.
func TCP() Network { panic("transport: being built") }

// DialStream connects to addr for another protocol of a Listener: the one that
// its Options.Streams has for kind. config may be nil.
func DialStream(ctx context.Context, addr string, kind byte, config *tls.Config) (net.Conn, error) {
	panic("transport: being built")
}

package transport

import (
	"crypto/tls"
	"log/slog"
	"net"
	"time"
)

// Options of a Listener or a Link. The zero value of each field is its default.
type Options struct {
	// TLS secures the connection; nil is plain TCP. A Link takes the server name
	// from its address if the configuration has none.
	TLS *tls.Config
	// Hello returns what we say of ourselves, at most 64 KiB; it is asked anew
	// for each connection. Default: nothing.
	Hello func() []byte
	// Verify judges the peer's hello, and names the peer. The text of its error
	// goes to the peer. It must not block. Default: everybody is welcome.
	Verify func(theirs []byte) (identity any, err error)
	// MaxFrame is the most bytes of one message. Default 16 MiB. Both sides
	// should have the same.
	MaxFrame int
	// SendBuffer bounds the bytes that wait to be written; above it, Send and
	// Call fail with ErrBacklog, and requests are not read any more. One message
	// always fits into an empty buffer. Default 32 MiB.
	SendBuffer int
	// RequestBuffer bounds the bytes of the requests taken from one connection
	// and not answered yet; the peer's Call fails with ErrBacklog above it.
	// Default 64 MiB.
	RequestBuffer int
	// Idle is how long a peer may be silent, or may take nothing of what is
	// being written, before the connection is closed. Default 10 s.
	Idle time.Duration
	// DialTimeout bounds the making of a connection, TLS and hello included, on
	// both sides. Default 3 s.
	DialTimeout time.Duration
	// MaxUnverified is how many accepted connections may be without a verified
	// hello; beyond it the oldest of them is closed. Default 256.
	MaxUnverified int
	// Handler receives what happens. Default: messages are dropped, requests
	// answered with nothing.
	Handler Handler
	// Failed, if set, is told of every attempt of a Link that failed.
	Failed func(err error)
	// Logger gets what no caller sees. Default: nothing is logged.
	Logger *slog.Logger
	// Streams, of a Listener, are other protocols on its port, by the first byte
	// of a connection (0xF5 is taken: it begins our own). The function owns the
	// connection, without that byte, and runs on a goroutine of its own that
	// Listener.Close does not wait for.
	Streams map[byte]func(net.Conn)
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxFrame, 16<<20)
	setDefault(&o.SendBuffer, 32<<20)
	setDefault(&o.RequestBuffer, 64<<20)
	setDefault(&o.MaxUnverified, 256)
	setDefault(&o.Idle, 10*time.Second)
	setDefault(&o.DialTimeout, 3*time.Second)
	if o.Hello == nil {
		o.Hello = func() []byte { return nil }
	}
	if o.Verify == nil {
		o.Verify = func([]byte) (any, error) { return nil, nil }
	}
	if o.Handler == nil {
		o.Handler = nobody{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// nobody is the default Handler.
type nobody struct{}

func (nobody) Up(Conn)                                      {}
func (nobody) Down(Conn, error)                             {}
func (nobody) Message(Conn, []byte)                         {}
func (nobody) Request(_ Conn, _ []byte, reply func([]byte)) { reply(nil) }

// Package transport connects processes: one multiplexed, framed connection for
// everything two of them say to each other, and for other protocols on the same
// port. Coordinators, data nodes and the library use it. It moves bytes and
// knows no meaning: the caller's hello says who somebody is, the caller's
// Verify whether that is right. Nothing here blocks a sender: what a slow peer
// does not take is refused, never queued without bound. DESIGN.md has the
// frame format.
package transport

import (
	"time"
)

// Conn is one verified connection to a peer, or a Link, which stands for one
// after another. Its methods may be called from any goroutine.
type Conn interface {
	// Send queues a one-way message, copied before it returns. It never blocks:
	// ErrBacklog where the peer is too slow, ErrDown where there is no
	// connection, ErrTooLarge above MaxFrame. A nil error promises nothing: what
	// is queued is lost when the connection breaks. Messages of one connection,
	// and of one rank, arrive in order.
	Send(body []byte) error
	// SendAs is Send for a message that goes ahead of what waits in lower ranks,
	// also if that was queued before. Each rank has a SendBuffer of its own.
	SendAs(rank Rank, body []byte) error
	// Call queues a request, copied before it returns, and calls done exactly
	// once: with the reply, valid only until done returns, or with an error.
	// ErrDown, ErrBacklog and ErrTooLarge say that no handler of the peer ever
	// saw the request; ErrTimeout and ErrBroken that one may have. done may run
	// before Call returns, on the caller's goroutine, or on one of the
	// connection's: it must not block, and not need a lock that the caller of
	// Call holds. timeout must be above zero.
	Call(body []byte, timeout time.Duration, done func(reply []byte, err error))
	// Identity is what Verify returned for the peer; nil while a Link is down.
	Identity() any
	// RemoteAddr is the peer's address: for a Link, the one it dials.
	RemoteAddr() string
	// Close ends the connection; what is queued already is still written if the
	// peer takes it within a moment. It does not wait for Down, except on a
	// Link, where it does and so must not be called from a callback.
	Close() error
}

// Handler receives what happens on connections. For one connection the calls
// come one after another on one goroutine: Up, then messages and requests in
// the order they were sent, then Down. None may block, and a body is valid only
// during the call.
type Handler interface {
	// Up says that both sides verified each other. The Conn is this one
	// connection, for a Link too; it is the same value until its Down.
	Up(c Conn)
	// Down ends what Up began, with the reason: ErrClosed if this side closed
	// it. No call on c is open any more.
	Down(c Conn, err error)
	// Message is what the peer sent with Send.
	Message(c Conn, body []byte)
	// Request is what the peer sent with Call. reply must be called once, on any
	// goroutine, then or later; it copies the body, never blocks, and does
	// nothing when the connection is gone. A reply above MaxFrame fails the
	// peer's Call with ErrBroken.
	Request(c Conn, body []byte, reply func(body []byte))
}

// Network makes connections: TCP, or Memory for tests.
type Network interface {
	// Listen accepts connections on addr ("host:port", port 0 for a free one)
	// until Close.
	Listen(addr string, o Options) (Listener, error)
	// Dial keeps a connection to addr, with back-off between attempts, until
	// Close. It returns at once.
	Dial(addr string, o Options) Link
}

// Link is a connection that is made anew whenever it breaks.
type Link interface {
	Conn
	// Connected reports whether there is a verified connection now.
	Connected() bool
	// Err is why there is none: the error of the last attempt or connection;
	// nil while connected and before the first attempt ended. ErrRefused is
	// found in it where the peer, or our Verify, did not accept.
	Err() error
	// Retry says that the peer is likely to be there: if the next attempt would
	// come only after a pause, it comes now.
	Retry()
}

// Listener accepts connections.
type Listener interface {
	// Addr is the address listened on, with the actual port.
	Addr() string
	// Close stops accepting, closes all connections accepted, and waits until
	// their Down has returned. It must not be called from a callback.
	Close() error
}

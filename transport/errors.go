package transport

import "errors"

var (
	// ErrDown says that there is no connection: nothing was sent.
	ErrDown = errors.New("no connection")
	// ErrBacklog says that the peer does not keep up: nothing was sent, or the
	// peer turned the request away unseen.
	ErrBacklog = errors.New("peer does not keep up")
	// ErrTooLarge says that a message is larger than MaxFrame: nothing was sent.
	ErrTooLarge = errors.New("message larger than the frame limit")
	// ErrBroken says that the connection broke before the reply came: the
	// request may have been handled.
	ErrBroken = errors.New("connection broke before the reply")
	// ErrTimeout says that no reply came in time: the request may have been
	// handled, or may yet be.
	ErrTimeout = errors.New("no reply in time")
	// ErrRefused says that one side did not accept the other's hello. The error
	// is a *RefusedError, which has the words.
	ErrRefused = errors.New("connection refused by hello")
	// ErrProtocol says that the peer sent what is not this protocol.
	ErrProtocol = errors.New("protocol violation")
	// ErrIdle says that the peer was silent, or took nothing, for too long.
	ErrIdle = errors.New("peer is silent")
	// ErrClosed says that this side closed the connection.
	ErrClosed = errors.New("connection closed")
)

// RefusedError tells why a hello was not accepted, and by whom.
type RefusedError struct {
	// Reason is the text of the error that Verify returned.
	Reason string
	// ByPeer is true where the peer refused us, false where we refused it.
	ByPeer bool
}

// Error implements error.
func (e *RefusedError) Error() string {
	if e.ByPeer {
		return "refused by the peer: " + e.Reason
	}
	return "peer refused: " + e.Reason
}

// Is makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

package transport

import (
	"fmt"
	"net"
	"time"
)

// The first bytes of a connection, in both directions: three that say what this
// is, then the version of everything that follows. A refusal, in answer to a
// version that is not ours, keeps its form in all versions.
const (
	firstByte      = 0xF5
	magic          = "\xf5HF"
	version   byte = 1
	preamble       = magic + string(rune(version))

	maxHello = 64 << 10 // bytes of a hello, and of a refusal
)

// offerHello is the dialling side of the hello: it speaks first, and has the
// last word, so that neither side is up before both have agreed.
func offerHello(nc net.Conn, in *frameReader, o *Options) (identity any, err error) {
	if err := sendHello(nc, o); err != nil {
		return nil, err
	}
	identity, err = judgeHello(nc, in, o)
	if err != nil {
		return nil, err
	}
	_, err = nc.Write(appendFrame(nil, acceptFrame, 0, nil))
	return identity, err
}

// answerHello is the listening side. The connection's first byte was read
// already, and was ours.
func answerHello(nc net.Conn, in *frameReader, o *Options) (identity any, err error) {
	identity, err = judgeHello(nc, in, o)
	if err != nil {
		return nil, err
	}
	if err := sendHello(nc, o); err != nil {
		return nil, err
	}
	k, _, body, err := in.next()
	switch {
	case err != nil:
		return nil, noEOF(err)
	case k == refuseFrame:
		return nil, &RefusedError{Reason: string(body), ByPeer: true}
	case k != acceptFrame:
		return nil, fmt.Errorf("%w: frame of kind %d in place of an acceptance", ErrProtocol, k)
	}
	return identity, nil
}

func sendHello(nc net.Conn, o *Options) error {
	hello := o.Hello()
	if len(hello) > maxHello {
		return fmt.Errorf("hello of %d bytes: %w of %d", len(hello), ErrTooLarge, maxHello)
	}
	_, err := nc.Write(appendFrame([]byte(preamble), helloFrame, 0, hello))
	return err
}

// judgeHello reads the peer's hello, or its refusal of ours, and refuses it if
// Verify does.
func judgeHello(nc net.Conn, in *frameReader, o *Options) (any, error) {
	start, err := in.take(len(preamble))
	if err != nil {
		return nil, noEOF(err)
	}
	if string(start[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: the peer does not speak it", ErrProtocol)
	}
	theirs := start[len(magic)]
	if theirs != version {
		return nil, refuse(nc, fmt.Sprintf("it speaks version %d of the transport protocol, this is version %d: run the same version of holdfast everywhere", theirs, version))
	}
	k, _, body, err := in.next()
	switch {
	case err != nil:
		return nil, noEOF(err)
	case k == refuseFrame:
		return nil, &RefusedError{Reason: string(body), ByPeer: true}
	case k != helloFrame:
		return nil, fmt.Errorf("%w: frame of kind %d in place of a hello", ErrProtocol, k)
	}
	identity, err := o.Verify(append([]byte(nil), body...))
	if err != nil {
		return nil, refuse(nc, err.Error())
	}
	return identity, nil
}

// refuse tells the peer why, if it still listens, and returns the error of it.
func refuse(nc net.Conn, reason string) error {
	reason = reason[:min(len(reason), maxHello)]
	// The refusal stands whether the peer hears of it or not.
	_, _ = nc.Write(appendFrame([]byte(preamble), refuseFrame, 0, []byte(reason)))
	return &RefusedError{Reason: reason}
}

// newFrameReader returns a reader for the hello: nothing larger is taken from a
// peer that is not verified.
func newFrameReader(nc net.Conn) *frameReader { return &frameReader{r: nc, max: maxHello} }

// established turns a connection after its hello into one that is served.
func established(o *Options, nc, raw net.Conn, in *frameReader, identity any) (*conn, error) {
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	c := newConn(o, nc, raw, in, identity)
	in.r, in.max = c, o.MaxFrame
	return c, nil
}

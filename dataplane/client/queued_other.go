//go:build !linux

package client

import "net"

// sendQueue is how much the system may take of a request before it is sent.
const sendQueue = 128 << 10

// queuedBytes is not known here; bound keeps what it would tell small.
func queuedBytes(net.Conn) int { return 0 }

// bound makes the system take little of a request before it is sent, so that the
// transport's progress is the link's.
func bound(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetWriteBuffer(sendQueue) // without it only slow links are taken for silent ones
	}
}

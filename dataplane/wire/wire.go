// Package wire holds the encodings in which data nodes speak to each other:
// replica messages, forwarded operations and their answers, each as the body of
// a transport message. The node's peer layer uses it. It does no I/O, keeps
// nothing, and trusts nothing that it decodes. DESIGN.md has the layouts.
package wire

import (
	"errors"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// Version is that of all encodings here. Nodes put it into their hello, and
// speak only to nodes of the same.
const Version = 1

// ErrMalformed is found in every error of a decoder.
var ErrMalformed = errors.New("malformed")

// AppendMessage appends the encoding of a message. Several may follow one
// another in a frame.
func AppendMessage(dst []byte, m *replica.Message) []byte { panic("wire: being built") }

// DecodeMessage decodes the first message of b, and returns what follows it. The
// message shares no memory with b.
func DecodeMessage(b []byte) (m replica.Message, rest []byte, err error) {
	panic("wire: being built")
}

// AppendOperation appends the encoding of an operation. Its deadline travels as
// the time that remains, for clocks of different nodes are not compared.
func AppendOperation(dst []byte, op *replica.Operation, remaining time.Duration) []byte {
	panic("wire: being built")
}

// DecodeOperation decodes an operation that is all of b, with its deadline by
// the receiver's clock, which reads now. It shares no memory with b.
func DecodeOperation(b []byte, now replica.Time) (replica.Operation, error) {
	panic("wire: being built")
}

// AppendAnswer appends the encoding of an answer. Its tag and its lease stay
// behind: a leased answer is settled before it is sent.
func AppendAnswer(dst []byte, a *replica.Answer) []byte { panic("wire: being built") }

// DecodeAnswer decodes an answer that is all of b. It shares no memory with b.
func DecodeAnswer(b []byte) (replica.Answer, error) { panic("wire: being built") }

// Package wire holds the encodings in which data nodes speak to each other:
// replica messages, forwarded operations and their answers, each as the body of
// a transport message. The node's peer layer uses it. It does no I/O, keeps
// nothing, and trusts nothing that it decodes: what it returns is well formed,
// not necessarily true. DESIGN.md has the layouts.
package wire

import "errors"

// Version is that of all encodings here. Nodes put it into their hello, and
// speak only to nodes of the same.
const Version = 7

// ErrMalformed is found in every error of a decoder: the bytes are cut off,
// changed on the way, or of another version.
var ErrMalformed = errors.New("malformed")

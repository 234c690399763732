package gateway

import (
	"strconv"

	"github.com/holdfast-io/holdfast/partition"
)

// Header names as they go out. They are set in the header's map directly, with
// values made once: net/http's Header.Set costs about 0.25 us each.
const (
	headerAcceptEncoding = "Accept-Encoding"
	headerAllow          = "Allow"
	headerCacheControl   = "Cache-Control"
	headerConnection     = "Connection"
	headerContentLength  = "Content-Length"
	headerContentType    = "Content-Type"
	headerRetryAfter     = "Retry-After"
	headerNode           = "Holdfast-Node"
	headerRole           = "Holdfast-Role"
	headerPartition      = "Holdfast-Partition"
	headerExisted        = "Holdfast-Existed"
	headerRoute          = "Holdfast-Route"
	headerServerTiming   = "Server-Timing"
)

// headerETag is spelled as people look for it, which is not the form that
// net/http would give it.
var headerETag = "ETag"

// Header names of requests, in net/http's form.
const (
	headerIfMatch     = "If-Match"
	headerIfNoneMatch = "If-None-Match"
	headerExplain     = "Holdfast-Explain"
	headerIdempotency = "Idempotency-Key"
)

// Values that never change. Nobody writes to them.
var (
	noStore     = []string{"no-store"}
	problemType = []string{"application/problem+json"}
	jsonType    = []string{"application/json"}
	textType    = []string{"text/plain; charset=utf-8"}
	bytesType   = []string{"application/octet-stream"}
	zeroLength  = []string{"0"}
	identity    = []string{"identity"}

	closeConnection = []string{"close"}

	oneSecond   = []string{"1"}
	yes         = []string{"true"}
	no          = []string{"false"}
	rolePrimary = []string{"primary"}
	roleReplica = []string{"replica"}
	roleNone    = []string{"none"}
	lengths     = func() (out [1024]string) {
		for i := range out {
			out[i] = strconv.Itoa(i)
		}
		return out
	}()
)

// length returns the text of a Content-Length.
func length(n int) string {
	if n < len(lengths) {
		return lengths[n]
	}
	return strconv.Itoa(n)
}

// role says what a node is for a partition.
func role(c *partition.Configuration, node partition.NodeID) []string {
	switch {
	case c.Primary == node:
		return rolePrimary
	case c.InSync(node):
		return roleReplica
	}
	return roleNone
}

// partitionName returns the Holdfast-Partition header of a partition.
func (g *Gateway) partitionName(id partition.ID, partitions int) []string {
	if names := g.names.Load(); names != nil && int(id) < len(*names) {
		return (*names)[id]
	}
	names := make([][]string, partitions)
	for i := range names {
		names[i] = []string{partition.ID(i).String()}
	}
	g.names.Store(&names)
	return names[id]
}

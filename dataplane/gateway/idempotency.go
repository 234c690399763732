package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

const longestIdempotencyKey = 255

// idempotencyKey reads the header; there may be none.
func idempotencyKey(lines []string) (key string, ok bool) {
	if len(lines) == 0 {
		return "", true
	}
	if len(lines) > 1 || lines[0] == "" || len(lines[0]) > longestIdempotencyKey {
		return "", false
	}
	for _, c := range []byte(lines[0]) {
		if c < ' ' || c > '~' {
			return "", false
		}
	}
	return lines[0], true
}

// idempotency names a write for the replicas (rule Q2). The two hashes are of
// 128 bits of SHA-256, for clients choose what goes in: whoever could make two
// requests collide could make one be taken for the other. Nobody is known by
// name yet, so who asks is the empty string.
func idempotency(key string, op *replica.Operation) *entry.Idempotency {
	const who = ""
	var out entry.Idempotency
	h := sha256.New()
	part(h, who)
	part(h, op.Key)
	part(h, key)
	copy(out.ID[:], h.Sum(nil))

	h.Reset()
	h.Write([]byte{byte(op.Action)})
	part(h, op.Key)
	part(h, op.Value)
	number(h, uint64(op.TTL))
	c := &op.Condition
	number(h, uint64(b2i(c.IfMatchAny)|b2i(c.IfNoneMatchStar)<<1))
	for _, list := range [2][]entry.ETag{c.IfMatch, c.IfNoneMatch} {
		number(h, uint64(len(list)))
		for _, t := range list {
			number(h, uint64(t.Lineage))
			number(h, t.Sequence)
		}
	}
	copy(out.Fingerprint[:], h.Sum(nil))
	return &out
}

// part adds a string with its length, so that no two lists of parts look alike.
func part[T string | []byte](h hash.Hash, s T) {
	number(h, uint64(len(s)))
	h.Write([]byte(s))
}

func number(h hash.Hash, n uint64) {
	h.Write(binary.LittleEndian.AppendUint64(nil, n))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

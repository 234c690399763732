package storage

import (
	"errors"
	"strings"
	"testing"
)

// What another version wrote is refused with both versions, and what to do.
func TestOtherVersionsAreNamed(t *testing.T) {
	t.Parallel()
	other := func(sealed []byte) []byte {
		body := append([]byte(nil), sealed[:len(sealed)-4]...)
		body[0] = 99
		return seal(body, 0)
	}
	_, meta := decodeFileMeta(other((&fileMeta{}).encode()))
	chunk := decodeChunk(other(seal(beginChunk(1, 0), 0)), 1, func(*chunkItem) error { return nil })
	_, store := decodeStore([]byte(`{"format_version": 99}`))
	for what, err := range map[string]error{"partition file": meta, "snapshot": chunk, "store.json": store} {
		if !errors.Is(err, ErrOtherFormat) || !strings.Contains(err.Error(), "version 99, this program knows ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

package entry

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrBadETag says that a text is not one that ETag.String returns.
var ErrBadETag = errors.New("not an ETag of this store")

// String returns the tag as HTTP carries it, quotes included: "0badcafe-17".
func (t ETag) String() string {
	b := make([]byte, 0, 32)
	b = append(b, '"')
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[t.Lineage>>shift&0xf])
	}
	b = append(b, '-')
	b = strconv.AppendUint(b, t.Sequence, 10)
	return string(append(b, '"'))
}

// ParseETag parses what String returns, and nothing else: weak tags and tags of
// other stores are an error that wraps ErrBadETag.
func ParseETag(s string) (ETag, error) {
	bad := func() (ETag, error) { return ETag{}, fmt.Errorf("%w: %q", ErrBadETag, s) }
	if len(s) < len(`"00000000-0"`) || s[0] != '"' || s[9] != '-' || s[len(s)-1] != '"' {
		return bad()
	}
	lineage, err := strconv.ParseUint(s[1:9], 16, 32)
	if err != nil {
		return bad()
	}
	sequence, err := strconv.ParseUint(s[10:len(s)-1], 10, 64)
	if err != nil {
		return bad()
	}
	t := ETag{Lineage: uint32(lineage), Sequence: sequence}
	if t.String() != s { // upper case, leading zeros: not ours
		return bad()
	}
	return t, nil
}

package entry

import (
	"errors"
	"math"
	"testing"
)

func TestETagText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tag  ETag
		text string
	}{
		{ETag{}, `"00000000-0"`},
		{ETag{0x0badcafe, 17}, `"0badcafe-17"`},
		{ETag{math.MaxUint32, math.MaxUint64}, `"ffffffff-18446744073709551615"`},
	} {
		if got := c.tag.String(); got != c.text {
			t.Errorf("String: %s, want %s", got, c.text)
		}
		if got, err := ParseETag(c.text); err != nil || got != c.tag {
			t.Errorf("ParseETag(%s) = %v, %v", c.text, got, err)
		}
	}
	for _, bad := range []string{
		"", `""`, `*`, `0badcafe-17`, `W/"0badcafe-17"`, `"0badcafe17"`, `"0BADCAFE-17"`, `"0badcafe-017"`,
		`"0badcafe-"`, `"0badcafe--1"`, `"0badcafe-+1"`, `"0badcafe-18446744073709551616"`, `"0badcaf-1"`, `"0badcafe-17`,
	} {
		if _, err := ParseETag(bad); !errors.Is(err, ErrBadETag) {
			t.Errorf("ParseETag(%s): %v", bad, err)
		}
	}
}

func FuzzParseETag(f *testing.F) {
	f.Add(`"0badcafe-17"`)
	f.Add(`W/"x"`)
	f.Fuzz(func(t *testing.T, s string) {
		if tag, err := ParseETag(s); err == nil && tag.String() != s {
			t.Fatalf("%q became %q", s, tag.String())
		}
	})
}

package workload

import "testing"

func TestPadding(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 2, 3, 4, 5, 100, 4096} {
		text := padded("v17", size)
		if len(text) != max(3, size) || unpadded(text) != "v17" {
			t.Errorf("%d bytes: %q, %q", size, text, unpadded(text))
		}
	}
	if torn := padded("v17", 600)[:300] + padded("v18", 600)[300:]; unpadded(torn) != torn {
		t.Errorf("a torn value is taken for %s", unpadded(torn))
	}
}

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes; its text may end with B, KiB, MiB, GiB or TiB.
type size int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *size) UnmarshalText(text []byte) error {
	digits, unit := string(text), int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit {
		return fmt.Errorf("size %q: want a number of bytes above zero, as 1048576 or 1MiB", text)
	}
	*s = size(n * unit)
	return nil
}

// String returns the text in the largest unit that is not above the number.
func (s size) String() string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	n, unit := float64(s), 0
	for n >= 1024 && unit < len(units)-1 {
		n, unit = n/1024, unit+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + units[unit]
}

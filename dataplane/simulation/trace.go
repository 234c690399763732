package simulation

import (
	"fmt"
	"time"
)

// traceLines is how many of the last events a trace keeps.
const traceLines = 20000

// trace records what happened: always as a hash, so that two runs of a seed
// can be compared, and as text for people where it is wanted.
type trace struct {
	hash  uint64
	text  bool
	lines []string // ring of the last traceLines
	next  int
}

// mix adds numbers to the hash (FNV-1a over words).
func (t *trace) mix(words ...uint64) {
	for _, w := range words {
		t.hash = (t.hash ^ w) * 0x100000001b3
		t.hash ^= t.hash >> 29
	}
}

// mixBytes adds bytes to the hash, with how many they are.
func (t *trace) mixBytes(b []byte) {
	t.mix(uint64(len(b)))
	for _, c := range b {
		t.mix(uint64(c))
	}
}

// log adds a line. Callers on hot paths ask text first.
func (t *trace) log(now instant, format string, args ...any) {
	line := fmt.Sprintf("%10.6f ", time.Duration(now).Seconds()) + fmt.Sprintf(format, args...)
	if len(t.lines) < traceLines {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % traceLines
}

// last returns the lines kept, oldest first.
func (t *trace) last() []string {
	return append(append([]string(nil), t.lines[t.next:]...), t.lines[:t.next]...)
}

// logf adds a line to the trace where text is wanted.
func (w *world) logf(format string, args ...any) {
	if w.trace.text {
		w.trace.log(w.now, format, args...)
	}
}

package coordinator

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// raftLog writes Raft's own log, which wants an hclog.Logger, to slog. What Raft
// calls an error is one level less here: most often it is that another member
// is down, and what this member cannot go on after ends it in words of its own.
type raftLog struct {
	hclog.InterceptLogger
	to     *slog.Logger
	ending atomic.Bool // Raft stops: what breaks now is of no interest
}

func newRaftLog(to *slog.Logger) *raftLog {
	l := &raftLog{to: to.With("component", "raft")}
	l.InterceptLogger = hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	l.RegisterSink(l)
	return l
}

// Accept implements hclog.SinkAdapter.
func (l *raftLog) Accept(_ string, level hclog.Level, msg string, args ...any) {
	to := slogLevel(level)
	if l.ending.Load() {
		to = slog.LevelDebug
	}
	ctx := context.Background()
	if !l.to.Enabled(ctx, to) {
		return
	}
	for i := 1; i < len(args); i += 2 {
		if f, ok := args[i].(hclog.Format); ok && len(f) > 0 {
			args[i] = formatted(f)
		}
	}
	l.to.Log(ctx, to, msg, args...) //nolint:sloglint // the words are Raft's
}

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Trace, hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn, hclog.Error:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// formatted renders hclog's own lazy format values.
func formatted(f hclog.Format) string {
	pattern, ok := f[0].(string)
	if !ok {
		return fmt.Sprint(f...)
	}
	return fmt.Sprintf(pattern, f[1:]...)
}

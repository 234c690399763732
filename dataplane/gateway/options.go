// Package gateway is a data node's HTTP interface: it takes a client's request,
// has it served by this node or another, and answers with exactly what is known
// of its outcome. The node assembly makes one and implements Backend.
//
// It keeps no data and knows no other process: every byte to another node goes
// through Backend.Send.
package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits bound what clients may ask of a node. A zero field takes its default.
type Limits struct {
	Value          int64         // largest value, bytes; 8 MiB
	Bodies         int64         // bytes of bodies, and of large answers, in memory, all requests together; 256 MiB
	HeaderBytes    int           // largest request header, bytes; 32 KiB
	HeaderRead     time.Duration // to receive a request's header; 10 s
	Idle           time.Duration // between requests of a connection; 2 min
	BodyStall      time.Duration // without a byte of the body; 10 s
	BodyRate       int64         // slowest upload, bytes a second, averaged after BodyStall; 1 KiB
	Write          time.Duration // to take a part of an answer; 60 s
	Timeout        time.Duration // a request's deadline unless it says one; 10 s
	LongestTimeout time.Duration // longest deadline a request may ask for; 60 s
}

// WithDefaults fills the zero fields.
func (l Limits) WithDefaults() Limits {
	set(&l.Value, 8<<20)
	set(&l.Bodies, 256<<20)
	set(&l.HeaderBytes, 32<<10)
	set(&l.HeaderRead, 10*time.Second)
	set(&l.Idle, 2*time.Minute)
	set(&l.BodyStall, 10*time.Second)
	set(&l.BodyRate, 1<<10)
	set(&l.Write, time.Minute)
	set(&l.Timeout, 10*time.Second)
	set(&l.LongestTimeout, time.Minute)
	return l
}

// Validate reports all faults at once; it expects the defaults filled in.
func (l Limits) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(l.Value > 0, "largest value %d: want more than 0 bytes", l.Value)
	check(l.Bodies >= l.Value, "memory for bodies %d: want at least the largest value, %d bytes", l.Bodies, l.Value)
	check(l.HeaderBytes >= 4<<10, "largest header %d: want at least 4096 bytes", l.HeaderBytes)
	check(l.HeaderRead > 0 && l.Idle > 0 && l.BodyStall > 0 && l.BodyRate > 0 && l.Write > 0,
		"times and rates: want more than 0")
	check(l.Timeout > 0 && l.LongestTimeout >= l.Timeout, "longest timeout %v: want at least the default, %v", l.LongestTimeout, l.Timeout)
	return errors.Join(faults...)
}

// Options make a Gateway.
type Options struct {
	Backend    Backend
	Limits     Limits
	Registerer prometheus.Registerer // metrics go there; nil: nowhere
	Gatherer   prometheus.Gatherer   // /metrics shows these; nil: the route is not there
	Logger     *slog.Logger          // nil: nothing is logged
}

func set[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

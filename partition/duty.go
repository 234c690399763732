package partition

import "fmt"

// Duty is what a node is there for, as far as the placement of replicas goes.
type Duty uint8

const (
	// Full: it holds its share.
	Full Duty = iota
	// Draining: it gives everything away, and stays in the cluster without.
	Draining
	// Removing: it gives everything away, and is then taken out of the cluster.
	Removing
	// Replaced: it was away for longer than replace-after. Others hold its share
	// until it is back.
	Replaced
)

var dutyNames = [...]string{"full", "draining", "removing", "replaced"}

// String returns the duty's name in lower case.
func (d Duty) String() string {
	if int(d) >= len(dutyNames) {
		return fmt.Sprintf("duty-%d", uint8(d))
	}
	return dutyNames[d]
}

// Valid reports whether the duty is one of those that there are.
func (d Duty) Valid() bool { return int(d) < len(dutyNames) }

// MarshalText implements encoding.TextMarshaler.
func (d Duty) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duty) UnmarshalText(text []byte) error {
	for i, name := range dutyNames {
		if name == string(text) {
			*d = Duty(i)
			return nil
		}
	}
	return fmt.Errorf("duty %q: want full, draining, removing or replaced", text)
}

package partition

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// StartID is the random number that one start of a node's process draws. A copy
// of a data directory repeats the counters that are in it; it cannot repeat the
// numbers of starts that happened after the copy was made. Zero is "none". Its
// text is 16 hexadecimal digits.
type StartID uint64

// String returns the 16 hexadecimal digits.
func (s StartID) String() string { return StoreID(s).String() }

// MarshalText implements encoding.TextMarshaler.
func (s StartID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *StartID) UnmarshalText(text []byte) error {
	var id StoreID
	if id.UnmarshalText(text) != nil {
		return fmt.Errorf("start ID %q: want 16 hexadecimal digits", text)
	}
	*s = StartID(id)
	return nil
}

// Start identifies one start of a node's process on one store: a counter that
// the store keeps, and the number that the start drew. The zero value is "none".
// Its text is "7-00c0ffee00c0ffee".
type Start struct {
	Incarnation uint64
	ID          StartID
}

// IsZero reports whether this is no start.
func (s Start) IsZero() bool { return s == Start{} }

// String returns the counter and the number.
func (s Start) String() string { return strconv.FormatUint(s.Incarnation, 10) + "-" + s.ID.String() }

// MarshalText implements encoding.TextMarshaler.
func (s Start) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Start) UnmarshalText(text []byte) error {
	counter, id, _ := strings.Cut(string(text), "-")
	v, err := strconv.ParseUint(counter, 10, 64)
	if err != nil {
		return fmt.Errorf("start %q: want a counter, a hyphen and 16 hexadecimal digits", text)
	}
	if err := s.ID.UnmarshalText([]byte(id)); err != nil {
		return fmt.Errorf("start %q: %w", text, err)
	}
	s.Incarnation = v
	return nil
}

// SupersededBy reports whether a start that the map names shows that s, of the
// same store, is over or belongs to another history. A start with a higher
// counter than the map's is not: its registration is on the way here.
func (s Start) SupersededBy(named Start) bool {
	return s.Incarnation < named.Incarnation || s.Incarnation == named.Incarnation && s.ID != named.ID
}

// Start returns the start of the node's process that the map names.
func (n *Node) Start() Start { return Start{n.Incarnation, n.StartID} }

// SameAddress reports whether two processes of one node cannot run at the same
// time, because they listen at the same address.
func (n *Node) SameAddress(o *Node) bool {
	if n.PeerAddr != "" || o.PeerAddr != "" {
		return n.PeerAddr == o.PeerAddr
	}
	return n.HTTPAddr == o.HTTPAddr && maps.Equal(n.Services, o.Services)
}

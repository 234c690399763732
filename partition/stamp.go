package partition

// Stamp names a map and how it came about. Coordinators that were restored from an
// old backup give versions a second time. History is a hash of every command that
// they had carried out up to that version, so the same version of two histories
// has two stamps.
type Stamp struct {
	Version uint64
	History uint64
}

// Stamp returns the map's.
func (m *Map) Stamp() Stamp { return Stamp{Version: m.Version, History: m.History} }

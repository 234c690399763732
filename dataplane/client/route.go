package client

import "strings"

// Route is the way of a request, as Way.Route says it.
type Route struct {
	Receiver string   // who received the request
	Server   string   // who answered it: the primary, or a replica that could
	Role     string   // of the server: "primary" or "replica"; "" where nobody answered
	Stored   []string // who else stored a write
}

// Parse takes Way.Route apart; false where the answer did not say its way.
func (w Way) Parse() (Route, bool) {
	r := Route{Receiver: w.Node}
	if w.Route == "" {
		return r, false
	}
	for i, hop := range strings.Split(w.Route, " > ") {
		name, role, marked := strings.Cut(strings.TrimSuffix(hop, ")"), " (")
		if i == 0 {
			r.Receiver = name
		}
		switch {
		case marked:
			r.Server, r.Role = name, role
		case r.Server != "":
			r.Stored = strings.Split(hop, ", ")
		}
	}
	return r, true
}

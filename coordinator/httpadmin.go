package coordinator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
)

// OperationHeader names an admin command: the same command with the same ID is
// applied once, and gets the first result. Requests may have it; all answers but 400 do.
const OperationHeader = "Holdfast-Operation-Id"

// adminCommand has the leader carry out a command, and answers with what became of
// it. It waits no longer than the request's ?timeout says.
func (c *Coordinator) adminCommand(w http.ResponseWriter, r *http.Request, command func(operation string) protocol.Message) {
	operation, timeout, err := adminParameters(r)
	if err != nil {
		problem(w, http.StatusBadRequest, "bad-request", err.Error())
		return
	}
	w.Header().Set(OperationHeader, operation)
	// The body is read; what bounds its reading does not bound the wait.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	ctx, cancel := c.requestContext(r.Context(), timeout)
	defer cancel()
	tellOutcome(w, c.route(ctx, command(operation)))
}

// adminParameters are what every admin command may have: an operation ID, random
// where there is none, and a time to wait; 0 is none.
func adminParameters(r *http.Request) (operation string, timeout time.Duration, err error) {
	if operation = r.Header.Get(OperationHeader); operation == "" {
		operation = rand.Text()
	}
	if err := state.ValidOperationID(operation); err != nil {
		return "", 0, fmt.Errorf("%s: %w", OperationHeader, err)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", 0, fmt.Errorf("read the query: %w", err)
	}
	for name, values := range query {
		if name != "timeout" || len(values) != 1 {
			return "", 0, fmt.Errorf("query parameter %q: want at most one timeout, as ?timeout=5s", name)
		}
		if timeout, err = time.ParseDuration(values[0]); err != nil || timeout <= 0 || timeout > LongestWait {
			return "", 0, fmt.Errorf("timeout %q: want a duration above 0 and at most %v, as 5s", values[0], LongestWait)
		}
	}
	return operation, timeout, nil
}

// tellOutcome answers with what became of an admin command.
func tellOutcome(w http.ResponseWriter, reply protocol.Reply) {
	switch reply.Code {
	case protocol.OK:
		answer(w, json.RawMessage(reply.Body))
	case protocol.Retry:
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, "unavailable", reply.Text)
	case protocol.Unknown:
		problem(w, http.StatusGatewayTimeout, "outcome-unknown",
			reply.Text+"; the same command with the same operation ID tells what became of it")
	case protocol.Reused:
		problem(w, http.StatusUnprocessableEntity, "operation-id-reused", reply.Text)
	case protocol.Refused, protocol.Invalid, protocol.Removed, protocol.Wait:
		problem(w, http.StatusConflict, "refused", reply.Text)
	}
}

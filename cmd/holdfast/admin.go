package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
)

// adminFlags are those of commands that change the cluster.
type adminFlags struct {
	serverFlags
	OperationID string `name:"operation-id" help:"ID of this command: the same command with the same ID is applied once, and gets the first result. Random unless given." placeholder:"ID" env:"-"`
}

// look asks what a command would do. It changes nothing; if the operation with that
// ID was applied before, the answer is its result.
func (f adminFlags) look(ctx context.Context, path string, body, into any) error {
	a := &attempts{what: path, operation: f.OperationID, looks: true}
	return f.send(ctx, a, body, into)
}

// command has the coordinators carry out a command, once, however often it has to
// be sent, and within the timeout.
func (f adminFlags) command(ctx context.Context, path string, body, into any) error {
	a := &attempts{what: path, operation: f.OperationID}
	if a.operation == "" {
		a.operation = rand.Text()
	}
	return f.send(ctx, a, body, into)
}

// retryAfter is how long a command is not sent again after all coordinators have
// been asked and one of them may have applied it.
const retryAfter = 200 * time.Millisecond

func (f adminFlags) send(ctx context.Context, a *attempts, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	asked, err := f.coordinators(ctx)
	if err != nil {
		return err
	}
	servers, err := asked.urls()
	if err != nil {
		return err
	}
	if body == nil {
		body = struct{}{}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for {
		for i, server := range servers {
			// A server that hangs leaves time for the others.
			left, _ := ctx.Deadline()
			each, cancelEach := context.WithTimeout(ctx, time.Until(left)/time.Duration(len(servers)-i))
			err := a.one(each, server, text, into)
			cancelEach()
			if done, err := a.judge(err); done {
				return err
			}
		}
		if a.unknown == nil || pauseFor(ctx, retryAfter) != nil {
			return a.gaveUp()
		}
	}
}

// attempts collects the outcomes of a command that is sent again and again with the
// same operation ID.
type attempts struct {
	what      string
	operation string
	looks     bool  // it changes nothing
	unknown   error // of the last attempt that may have been applied; nil: none was
	failed    error // of the last attempt
}

// errNotSent says that no coordinator has had the command.
var errNotSent = errors.New("not sent")

// one sends the command to one coordinator. The server is asked to answer a little
// sooner than the client gives up, so that it can say what it knows.
func (a *attempts) one(ctx context.Context, server string, body []byte, into any) error {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	if left <= 0 {
		return fmt.Errorf("%w: %w", errNotSent, context.DeadlineExceeded)
	}
	wait := min(max(left-min(left/5, 500*time.Millisecond), time.Millisecond), coordinator.LongestWait)
	address := server + a.what + "?timeout=" + wait.Round(time.Millisecond).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if a.operation != "" {
		req.Header.Set(coordinator.OperationHeader, a.operation)
	}
	resp, err := adminClient.Do(req)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	if err != nil {
		return err
	}
	// Anything but a coordinator says nothing about the command.
	if got := resp.Header.Get(coordinator.OperationHeader); a.operation != "" && got != a.operation && resp.StatusCode != http.StatusBadRequest {
		_ = resp.Body.Close()
		return fmt.Errorf("%s: status %d, and not the answer of a coordinator to this command", address, resp.StatusCode)
	}
	return decodeAnswer(resp, into)
}

// judge decides whether the outcome of one attempt is that of the command.
func (a *attempts) judge(err error) (done bool, result error) {
	var p *problem
	if a.failed = err; !errors.As(err, &p) {
		if err != nil && !errors.Is(err, errNotSent) {
			a.unknown = err
		}
		return err == nil, err
	}
	switch {
	case p.Code == "":
		a.unknown = p // of something on the way
		return false, nil
	case p.Status == http.StatusConflict:
		return true, coded{p, exitPrecondition}
	case p.Status == http.StatusServiceUnavailable:
		if p.Code != "unavailable" {
			a.unknown = p // of something on the way
		}
		return false, nil
	case p.Status == http.StatusBadRequest && a.unknown != nil:
		return false, nil // it says nothing of an earlier attempt, which may have been applied
	case p.Status/100 == 4:
		return true, coded{p, exitUsage}
	}
	a.unknown = p
	return false, nil
}

// gaveUp is the error of a command without a result.
func (a *attempts) gaveUp() error {
	if a.unknown == nil || a.looks {
		return coded{fmt.Errorf("no coordinator could answer, and nothing was changed: %w", a.failed), exitNotApplied}
	}
	return coded{fmt.Errorf("the outcome is unknown: the command may have been applied, or may yet be: %w. "+
		"The same command with --operation-id %s is applied once, and tells the result", a.unknown, a.operation), exitUnknown}
}

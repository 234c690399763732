package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// once makes one attempt and says what its end means. The answer is there after
// success, and where the key has no value.
func (c *Client) once(ctx context.Context, server string, k *call, number int, others bool) (*answer, *Error) {
	a, err := c.attempt(ctx, server, k, number, others)
	if err != nil {
		e := &Error{Operation: k.operation, Key: k.key, Cause: err, Kind: k.doubtful(), again: true}
		if errors.Is(err, errUnsent) {
			e.Kind = ErrNotApplied
		}
		return nil, e
	}
	e := k.judge(a)
	if e != nil && !errors.Is(e.Kind, ErrNotFound) {
		a = nil
	}
	return a, e
}

// invalid reports a header that cannot be sent: another attempt could not either.
func (c *call) invalid() *Error {
	for name, values := range c.header {
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return &Error{Operation: c.operation, Key: c.key, Kind: ErrNotApplied,
					Detail: fmt.Sprintf("%s %.64q has a control character", name, value)}
			}
		}
	}
	return nil
}

// doubtful is what is known of a call that has no answer to be believed. A read
// is never applied.
func (c *call) doubtful() error {
	if c.write {
		return ErrOutcomeUnknown
	}
	return ErrNotApplied
}

// judge says what an answer means; nil is success. Only what a Holdfast server
// says in its documented form counts. All else is no answer: the write may have
// been applied before something between made up a page of its own.
func (c *call) judge(a *answer) *Error {
	if c.succeeded(a) {
		return nil
	}
	e := &Error{Operation: c.operation, Key: c.key, Status: a.status, Kind: c.doubtful(), again: true}
	if a.foreign {
		e.foreign, e.Detail = true, a.quote()
		return e
	}
	e.ETag, e.RetryAfter = a.header.Get("ETag"), retryAfter(a.header)
	e.Code, e.Detail = a.problem()
	switch {
	case e.Code == "":
		e.Detail = a.quote()
	case a.status == http.StatusNotFound && e.Code == "key-not-found":
		e.Kind, e.again = ErrNotFound, false
	case a.status == http.StatusPreconditionFailed:
		e.Kind, e.again = ErrPrecondition, false
	case neverApplied(a.status):
		e.Kind, e.again = ErrNotApplied, transient(a.status)
	}
	return e
}

// succeeded reports whether the answer has the form of success that the
// documents define for the call.
func (c *call) succeeded(a *answer) bool {
	switch {
	case a.foreign:
		return false
	case !c.ofKey():
		return a.status == http.StatusOK
	case a.way.Node == "": // coordinators keep no values
		return false
	case c.method == http.MethodPut:
		return (a.status == http.StatusOK || a.status == http.StatusCreated) && a.header.Get("ETag") != ""
	case c.method == http.MethodDelete:
		existed := a.header.Get("Holdfast-Existed")
		return a.status == http.StatusNoContent && (existed == "true" || existed == "false")
	}
	// A coding is what something between has put on the value.
	coding := a.header.Get("Content-Encoding")
	return a.status == http.StatusOK && a.header.Get("ETag") != "" && (coding == "" || coding == "identity")
}

// neverApplied reports whether an error status of a Holdfast server says that
// this attempt was not applied, and never will be. 409 is of a write whose first
// attempt is under way, so it says nothing of the write; 504 is for the unknown.
func neverApplied(status int) bool {
	switch status {
	case http.StatusConflict:
		return false
	case http.StatusNotImplemented, http.StatusServiceUnavailable, http.StatusHTTPVersionNotSupported, http.StatusInsufficientStorage:
		return true
	}
	return status/100 == 4
}

// transient reports whether another attempt may do better than one that was not
// applied.
func transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInsufficientStorage, http.StatusServiceUnavailable:
		return true
	}
	return false
}

// problem reads the words of an error answer (RFC 9457).
func (a *answer) problem() (code, detail string) {
	var p struct{ Code, Detail, Title string }
	if a.status < 400 || json.Unmarshal(a.body, &p) != nil {
		return "", ""
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	return p.Code, p.Detail
}

// quote tells of an answer that does not count, so that people see who gave it.
func (a *answer) quote() string {
	who := "node " + a.way.Node
	if a.way.Node == "" {
		who = "coordinator " + a.header.Get("Holdfast-Coordinator")
	}
	text := who + " gave an answer that this client does not know"
	if a.foreign {
		text = "answered by something that is no Holdfast server"
		if server := a.header.Get("Server"); server != "" {
			text += fmt.Sprintf(" (%.60q)", server)
		}
	}
	return fmt.Sprintf("%s: %d %.*q", text, a.status, longestQuote, a.body)
}

// hopeless reports whether a server that gave the answer will hardly ever give
// another: it is no proxy whose nodes are away for a moment.
func (e *Error) hopeless() bool {
	switch e.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return e.foreign
}

// retryAfter reads the header in its form of whole seconds.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

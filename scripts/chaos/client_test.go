package main

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// TestOnlyDocumentedAnswersAreBelieved: a write whose answer is no node's, or not in
// the documents, may have been applied, and the checker has to allow for that.
func TestOnlyDocumentedAnswersAreBelieved(t *testing.T) {
	t.Parallel()
	problem := func(code string) string { return fmt.Sprintf(`{"code":%q}`, code) }
	for _, test := range []struct {
		kind    kind
		status  int
		foreign bool
		text    string
		readErr error
		want    outcome
	}{
		{kind: put, status: 201, want: applied},
		{kind: put, status: 200, want: applied},
		{kind: put, status: 201, foreign: true, want: unknown},
		{kind: put, status: 202, want: unknown},
		{kind: put, status: 500, text: problem("internal"), want: unknown},
		{kind: put, status: 502, foreign: true, text: "<html>", want: unknown},
		{kind: put, status: 503, text: problem("unavailable"), want: notApplied},
		{kind: put, status: 503, text: problem("unavailable"), foreign: true, want: unknown},
		{kind: put, status: 503, text: "", readErr: errors.New("cut"), want: unknown},
		{kind: put, status: 504, text: problem("outcome-unknown"), want: unknown},
		{kind: put, status: 429, text: problem("overloaded"), want: notApplied},
		{kind: put, status: 507, text: problem("disk-full"), want: notApplied},
		{kind: put, status: 409, text: problem("in-progress"), want: unknown},
		{kind: create, status: 412, text: problem("precondition-failed"), want: failedTest},
		{kind: create, status: 412, foreign: true, want: unknown},
		{kind: put, status: 412, text: problem("precondition-failed"), want: unknown}, // it had no condition
		{kind: deletion, status: 204, want: applied},
		{kind: deletion, status: 200, want: unknown},
		{kind: get, status: 200, text: "v", want: applied},
		{kind: get, status: 200, text: "v", foreign: true, want: notApplied},
		{kind: get, status: 404, text: problem("key-not-found"), want: applied},
		{kind: get, status: 404, text: problem("key-not-found"), foreign: true, want: notApplied},
		{kind: get, status: 503, text: problem("unavailable"), want: notApplied},
	} {
		resp := &http.Response{StatusCode: test.status, Status: http.StatusText(test.status), Header: http.Header{}}
		if !test.foreign {
			resp.Header.Set("Holdfast-Node", "n1")
		}
		o := operation{Kind: test.kind}
		judge(&o, resp, test.text, test.readErr)
		if o.Outcome != test.want || (test.foreign && o.Read != "") {
			t.Errorf("%+v: %s %q, want %s", test, o.Outcome, o.Read, test.want)
		}
	}
}

package workload

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// TestOnlyDocumentedAnswersAreBelieved: a write whose answer is no node's, or not in
// the documents, may have been applied, and the checker has to allow for that.
func TestOnlyDocumentedAnswersAreBelieved(t *testing.T) {
	t.Parallel()
	problem := func(code string) string { return fmt.Sprintf(`{"code":%q}`, code) }
	for _, test := range []struct {
		kind    history.Kind
		status  int
		foreign bool
		text    string
		readErr error
		want    history.Outcome
	}{
		{kind: history.Put, status: 201, want: history.Applied},
		{kind: history.Put, status: 200, want: history.Applied},
		{kind: history.Put, status: 201, foreign: true, want: history.Unknown},
		{kind: history.Put, status: 202, want: history.Unknown},
		{kind: history.Put, status: 500, text: problem("internal"), want: history.Unknown},
		{kind: history.Put, status: 502, foreign: true, text: "<html>", want: history.Unknown},
		{kind: history.Put, status: 503, text: problem("unavailable"), want: history.NotApplied},
		{kind: history.Put, status: 503, text: problem("unavailable"), foreign: true, want: history.Unknown},
		{kind: history.Put, status: 503, text: "", readErr: errors.New("cut"), want: history.Unknown},
		{kind: history.Put, status: 504, text: problem("outcome-unknown"), want: history.Unknown},
		{kind: history.Put, status: 429, text: problem("overloaded"), want: history.NotApplied},
		{kind: history.Put, status: 507, text: problem("disk-full"), want: history.NotApplied},
		{kind: history.Put, status: 409, text: problem("in-progress"), want: history.Unknown},
		{kind: history.Create, status: 412, text: problem("precondition-failed"), want: history.ConditionFailed},
		{kind: history.Create, status: 412, foreign: true, want: history.Unknown},
		{kind: history.Put, status: 412, text: problem("precondition-failed"), want: history.Unknown}, // it had no condition
		{kind: history.Delete, status: 204, want: history.Applied},
		{kind: history.Delete, status: 200, want: history.Unknown},
		{kind: history.Get, status: 200, text: "v", want: history.Applied},
		{kind: history.Get, status: 200, text: "v", foreign: true, want: history.NotApplied},
		{kind: history.Get, status: 404, text: problem("key-not-found"), want: history.Applied},
		{kind: history.Get, status: 404, text: problem("key-not-found"), foreign: true, want: history.NotApplied},
		{kind: history.Get, status: 503, text: problem("unavailable"), want: history.NotApplied},
	} {
		resp := &http.Response{StatusCode: test.status, Status: http.StatusText(test.status), Header: http.Header{}}
		if !test.foreign {
			resp.Header.Set("Holdfast-Node", "n1")
		}
		o := history.Operation{Kind: test.kind}
		judge(&o, resp, test.text, test.readErr)
		if o.Outcome != test.want || (test.foreign && o.Read != "") {
			t.Errorf("%+v: %s %q, want %s", test, o.Outcome, o.Read, test.want)
		}
	}
}

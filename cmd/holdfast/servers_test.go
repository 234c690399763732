package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Servers are asked one after another until one answers, be it with a problem. One
// that is not ready, fails or hangs is passed over, and leaves time for the others.
func TestFirstAnswer(t *testing.T) {
	t.Parallel()
	notReady, refused := &problem{Status: http.StatusServiceUnavailable}, &problem{Status: http.StatusConflict}
	broken := errors.New("connection refused")
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	says := func(err error) func(context.Context) error {
		return func(ctx context.Context) error { return errors.Join(ctx.Err(), err) }
	}
	for name, c := range map[string]struct {
		servers []func(context.Context) error
		want    error // nil: answered
		asked   int
		code    int
	}{
		"the first answers":        {[]func(context.Context) error{says(nil), says(nil)}, nil, 1, exitOK},
		"the first is not ready":   {[]func(context.Context) error{says(notReady), says(nil)}, nil, 2, exitOK},
		"the first fails":          {[]func(context.Context) error{says(broken), says(nil)}, nil, 2, exitOK},
		"the first hangs":          {[]func(context.Context) error{hangs, says(nil)}, nil, 2, exitOK},
		"all but the last hang":    {[]func(context.Context) error{hangs, hangs, says(nil)}, nil, 3, exitOK},
		"a refusal is an answer":   {[]func(context.Context) error{says(refused), says(nil)}, refused, 1, exitFailure},
		"nobody answers":           {[]func(context.Context) error{says(broken), says(notReady)}, broken, 2, exitNotApplied},
		"nobody answers, and last": {[]func(context.Context) error{says(notReady), hangs}, context.DeadlineExceeded, 2, exitNotApplied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // on a clock of its own
				f := serverFlags{Timeout: 2 * time.Second}
				for i := range c.servers {
					f.Server = append(f.Server, fmt.Sprintf("server%d:1", i))
				}
				asked := 0
				err := f.firstAnswer(t.Context(), func(ctx context.Context, server string) error {
					if want := fmt.Sprintf("http://server%d:1", asked); server != want {
						t.Errorf("asked %s, want %s", server, want)
					}
					asked++
					return c.servers[asked-1](ctx)
				})
				if !errors.Is(err, c.want) || asked != c.asked || codeOf(err) != c.code {
					t.Errorf("%v, exit code %d, after %d servers; want %v, %d, %d", err, codeOf(err), asked, c.want, c.code, c.asked)
				}
			})
		})
	}
}

// Every option of a data command is in the request that it sends.
func TestOptionsOfDataCommandsAreSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"put", "k", "v", "--ttl", "90s"}, []string{"ttl=1m30s"}},
		{[]string{"put", "k", "v", "--if-absent"}, []string{"If-None-Match: *"}},
		{[]string{"put", "k", "v", "--if-match", "1-2", "--if-match", `"3-4"`}, []string{`If-Match: "1-2", "3-4"`}},
		{[]string{"put", "k", "v", "--if-match", "*"}, []string{"If-Match: *"}},
		{[]string{"put", "k", "v", "--idempotency-key", "name"}, []string{"Idempotency-Key: name"}},
		{[]string{"put", "k", "v", "-v"}, []string{"Holdfast-Explain: 1"}},
		{[]string{"delete", "k", "--if-match", "1-2"}, []string{`If-Match: "1-2"`}},
		{[]string{"delete", "k", "--idempotency-key", "name"}, []string{"Idempotency-Key: name"}},
		{[]string{"get", "k", "--stale"}, []string{"consistency=stale"}},
		{[]string{"get", "k", "-v"}, []string{"Holdfast-Explain: 1"}},
		{[]string{"get", "k", "--timeout", "40s"}, []string{"timeout=39."}}, // less what the answer takes
	} {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var text strings.Builder
			text.WriteString(r.URL.RawQuery + "\n")
			_ = r.Header.Write(&text)
			got = strings.ReplaceAll(text.String(), "\r", "")
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Holdfast-Node", "n4")
			w.Header().Set("ETag", `"0000002a-7"`)
			if r.Method == http.MethodDelete {
				w.Header().Set("Holdfast-Existed", "true")
				w.WriteHeader(http.StatusNoContent)
			}
		}))
		code, _, errOut := execute(t, "", append(c.args, "--server", server.URL)...)
		server.Close()
		if code != exitOK {
			t.Errorf("%v: exit code %d: %s", c.args, code, errOut)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%v: there is no %s in\n%s", c.args, want, got)
			}
		}
	}
}

func TestPortsOfAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"a:0": true, "a:1": true, "a:65535": true, "[::1]:80": true, ":80": true,
		"a:65536": false, "a:-1": false, "a:http": false, "a:": false, "a": false,
	} {
		if _, err := splitAddress(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}

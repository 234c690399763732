package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

// serverFlags say whom the commands of a user or an operator talk to.
type serverFlags struct {
	Server  []string      `help:"Servers to ask, one after another until one answers; repeatable." default:"http://127.0.0.1:7070" env:"HOLDFAST_SERVER" placeholder:"URL"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"10s"`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// client makes a client for the servers, and bounds the context by the timeout.
func (f serverFlags) client(ctx context.Context) (*client.Client, context.Context, context.CancelFunc, error) {
	c, err := client.New(client.Config{Servers: f.Server, Timeout: f.Timeout, FailFast: true})
	if err != nil {
		return nil, nil, nil, usage(err)
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	return c, ctx, func() { cancel(); c.Close() }, nil
}

// askCluster asks any server something about the cluster.
func askCluster[T any](ctx context.Context, f serverFlags, question func(*client.Client, context.Context) (*T, error)) (*T, error) {
	c, ctx, end, err := f.client(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	answer, err := question(c, ctx)
	return answer, dataError(err)
}

// urls returns the servers as URLs without a path; HOST:PORT alone means http.
func (f serverFlags) urls() ([]string, error) {
	var out []string
	for _, text := range f.Server {
		server, err := client.ParseServer(text)
		if err != nil {
			return nil, usage(fmt.Errorf("--server: %w", err))
		}
		out = append(out, server)
	}
	if len(out) == 0 {
		return nil, usage(errors.New("--server: name at least one"))
	}
	return out, nil
}

// problem is the part of an error answer that people read.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Error implements error.
func (p *problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if text == "" {
		text = http.StatusText(p.Status)
	}
	return fmt.Sprintf("%s (%d %s)", text, p.Status, p.Code)
}

// exchange asks one question about the cluster and decodes the JSON of its answer;
// an answer that is an error comes back as a *problem.
func exchange(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := adminClient.Do(req)
	if err != nil {
		return err
	}
	if resp.Header.Get("Holdfast-Coordinator") == "" && resp.Header.Get("Holdfast-Node") == "" {
		resp.Body.Close()
		return fmt.Errorf("%s: status %d of something that is no Holdfast server", address, resp.StatusCode)
	}
	return decodeAnswer(resp, into)
}

// decodeAnswer reads an answer to its end, and closes it.
func decodeAnswer(resp *http.Response, into any) error {
	defer resp.Body.Close()
	what := resp.Request.Method + " " + resp.Request.URL.String()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if resp.StatusCode/100 != 2 {
		p := &problem{}
		if json.Unmarshal(text, p) != nil || p.Code == "" {
			p.Detail = fmt.Sprintf("%s: %.200s", what, text)
		}
		p.Status = resp.StatusCode
		return p
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// adminClient has no timeout of its own: every request has a context with one.
var adminClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// firstAnswer calls ask with each server until one answers, be it with a
// problem. A server that cannot be reached, or is not ready, is passed over.
func (f serverFlags) firstAnswer(ctx context.Context, ask func(ctx context.Context, server string) error) error {
	servers, err := f.urls()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	var errs []error
	for i, server := range servers {
		// A server that hangs leaves time for the others.
		left, _ := ctx.Deadline()
		each, cancelEach := context.WithTimeout(ctx, time.Until(left)/time.Duration(len(servers)-i))
		err := ask(each, server)
		cancelEach()
		var p *problem
		if err == nil || errors.As(err, &p) && p.Status != http.StatusServiceUnavailable {
			return err
		}
		errs = append(errs, err)
	}
	return coded{fmt.Errorf("no server could answer: %w", errors.Join(errs...)), exitNotApplied}
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
)

// errRefused says that the coordinators refuse a command for good.
var errRefused = errors.New("refused")

// admins is what commands to coordinators go out with.
var admins = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// command sends an admin command about a node to one coordinator after another
// until one has applied or refused it.
func (n *nemesis) command(ctx context.Context, one *node, what, body string) error {
	id := rand.Text()
	return n.wait(ctx, fmt.Sprintf("%s to be told to %s", one.name, what), func() error {
		var errs []error
		for _, m := range n.coordinators {
			if m.current() == nil {
				continue
			}
			err := post(ctx, "http://"+m.http+"/v1/nodes/"+one.name+"/"+what+"?timeout=2s", id, body)
			if err == nil {
				return nil
			}
			if errors.Is(err, errRefused) {
				id = rand.Text() // the same ID is refused again
			}
			errs = append(errs, err)
		}
		return errors.Join(append(errs, errors.New("no coordinator has applied it"))...)
	})
}

func post(ctx context.Context, url, id, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	request.Header.Set(coordinator.OperationHeader, id)
	response, err := admins.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusConflict:
		return fmt.Errorf("%s: %w: %s", url, errRefused, text)
	}
	return errors.Join(fmt.Errorf("%s: %s: %s", url, response.Status, text), err)
}

// drain has a node give everything away, for a while. With too few other nodes, or
// without a leader, it may be refused.
func (n *nemesis) drain(ctx context.Context, s step, one *node) error {
	defer n.note("drain of " + one.name)()
	return n.temporarily(ctx, s, one, [2]string{"drain", ""}, [2]string{"undrain", ""})
}

// weigh gives a node more of the replicas for a while.
func (n *nemesis) weigh(ctx context.Context, s step, one *node) error {
	defer n.note("more weight for " + one.name)()
	return n.temporarily(ctx, s, one, [2]string{"weight", `{"weight":4}`}, [2]string{"weight", `{"weight":1}`})
}

// temporarily gives a command, and its opposite after a while. The first may fail;
// the second is repeated until it is applied.
func (n *nemesis) temporarily(ctx context.Context, s step, one *node, do, undo [2]string) error {
	trying, cancel := context.WithTimeout(ctx, 2*time.Second)
	_ = n.command(trying, one, do[0], do[1])
	cancel()
	sleep(ctx, s.lasting)
	insisting, cancel := context.WithTimeout(context.WithoutCancel(ctx), healTimeout)
	defer cancel()
	return n.command(insisting, one, undo[0], undo[1])
}

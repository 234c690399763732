package transport

import (
	"errors"
	"strings"
	"testing"
)

func TestHelloIsVerifiedOnBothSides(t *testing.T) {
	t.Parallel()
	says := func(s string) func() []byte { return func() []byte { return []byte(s) } }
	expects := func(s string) func([]byte) (any, error) {
		return func(theirs []byte) (any, error) {
			if string(theirs) != s {
				return nil, errors.New("it is " + string(theirs) + ", not " + s)
			}
			return "peer " + s, nil
		}
	}
	for _, c := range []struct {
		name           string
		server, client Options
		refused        string // by whom, and why, as the client sees it
	}{
		{"accepted", Options{Hello: says("n1"), Verify: expects("n2")}, Options{Hello: says("n2"), Verify: expects("n1")}, ""},
		{"refused by the server", Options{Hello: says("n1"), Verify: expects("n3")}, Options{Hello: says("n2"), Verify: expects("n1")},
			"refused by the peer: it is n2, not n3"},
		{"refused by the client", Options{Hello: says("n1"), Verify: expects("n2")}, Options{Hello: says("n2"), Verify: expects("n4")},
			"peer refused: it is n1, not n4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachNetwork(t, func(t *testing.T, p *pair) {
				p.listen(c.server)
				failed := make(chan error, 100)
				client := c.client
				client.Failed = func(err error) {
					select {
					case failed <- err:
					default:
					}
				}
				p.dial(client)
				if c.refused == "" {
					p.clientSide.waitUps(t, 1)
					p.serverSide.waitUps(t, 1)
					if got := p.link.Identity(); got != "peer n1" {
						t.Fatalf("the server is %v", got)
					}
					if got := p.serverSide.last().Identity(); got != "peer n2" {
						t.Fatalf("the client is %v", got)
					}
					return
				}
				err := <-failed
				if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("got %v", err)
				}
				<-failed // it tries again
				if !errors.Is(p.link.Err(), ErrRefused) {
					t.Fatalf("link: %v", p.link.Err())
				}
				if len(p.clientSide.seen())+len(p.serverSide.seen()) > 0 {
					t.Fatalf("a handler heard of it: %q, %q", p.clientSide.seen(), p.serverSide.seen())
				}
			})
		})
	}
}

func TestHelloTooLarge(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.listen(Options{})
		failed := make(chan error, 100)
		p.dial(Options{Hello: func() []byte { return make([]byte, maxHello+1) }, Failed: func(err error) { failed <- err }})
		if err := <-failed; !errors.Is(err, ErrTooLarge) {
			t.Fatalf("got %v", err)
		}
	})
}

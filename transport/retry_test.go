package transport

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A peer that was away for long is tried once a second. Who hears that it is back
// need not wait for that.
func TestRetryEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		l := newLink("away:1", Options{}, func(context.Context, string) (net.Conn, error) {
			attempts.Add(1)
			return nil, errors.New("nobody is there")
		})
		defer l.Close()
		<-time.After(time.Minute)
		synctest.Wait()
		before := attempts.Load()
		<-time.After(10 * time.Second)
		synctest.Wait()
		if n := attempts.Load() - before; n < 5 || n > 20 {
			t.Fatalf("%d attempts in 10 s", n)
		}
		for range 2 {
			before = attempts.Load()
			l.Retry()
			l.Retry()
			<-time.After(time.Millisecond)
			synctest.Wait()
			if n := attempts.Load() - before; n < 1 || n > 2 {
				t.Errorf("%d attempts at once after Retry", n)
			}
		}
	})
}

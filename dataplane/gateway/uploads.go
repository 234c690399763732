package gateway

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Where memory runs short, an upload may be ended that is older than young and
// has arrived, on the whole, at less than fair bytes a second.
const (
	young = time.Second
	fair  = 64 << 10
)

// uploads are the large bodies that are arriving now.
type uploads struct {
	mu     sync.Mutex
	active map[*upload]struct{}
}

// upload is one of them. Its deadlines are those of the connection.
type upload struct {
	conn    *http.ResponseController
	limits  Limits
	began   time.Time
	arrived atomic.Int64

	mu    sync.Mutex
	ended bool // to make room for others
}

func (us *uploads) begin(conn *http.ResponseController, limits Limits) *upload {
	u := &upload{conn: conn, limits: limits, began: time.Now()}
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.active == nil {
		us.active = make(map[*upload]struct{})
	}
	us.active[u] = struct{}{}
	return u
}

// end reports whether the upload was ended to make room. Where the body is
// whole, the connection's deadlines are then those of a request that waits;
// where not, net/http reads what is left of it under the upload's.
func (us *uploads) end(u *upload, whole bool) bool {
	us.mu.Lock()
	delete(us.active, u)
	us.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	if whole {
		u.conn.SetReadDeadline(time.Time{}) //nolint:errcheck // then the server's own holds
	}
	return u.ended
}

// endSlow ends the slowest uploads until they hold n bytes together, or no
// slow one is left.
func (us *uploads) endSlow(n int64) {
	type slow struct {
		*upload
		arrived int64
		rate    float64
	}
	var list []slow
	us.mu.Lock()
	for u := range us.active {
		age, arrived := time.Since(u.began), u.arrived.Load()
		if rate := float64(arrived) / age.Seconds(); age > young && rate < fair {
			list = append(list, slow{u, arrived, rate})
		}
	}
	us.mu.Unlock()
	slices.SortFunc(list, func(a, b slow) int { return cmp.Compare(a.rate, b.rate) })
	for _, u := range list {
		if n <= 0 {
			return
		}
		u.stop()
		n -= max(u.arrived, smallBody)
	}
}

func (u *upload) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	u.conn.SetReadDeadline(u.began) //nolint:errcheck // then its own deadline ends it
}

// extend gives the upload until its next deadline: BodyStall from now, or
// sooner where it is slower than BodyRate.
func (u *upload) extend(arrived int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return
	}
	now := time.Now()
	stall := now.Add(u.limits.BodyStall)
	slowest := u.began.Add(u.limits.BodyStall + time.Duration(float64(arrived)/float64(u.limits.BodyRate)*float64(time.Second)))
	if slowest.Before(stall) {
		stall = slowest
	}
	u.conn.SetReadDeadline(stall) //nolint:errcheck // then the server's own holds
}

func (u *upload) progress(n int) { u.arrived.Add(int64(n)) }

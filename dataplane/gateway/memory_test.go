package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// free reports whether all the memory for bodies is there.
func (n *node) free() bool {
	if !n.gateway.bodies.TryAcquire(n.gateway.limits.Bodies) {
		return false
	}
	n.gateway.bodies.Release(n.gateway.limits.Bodies)
	return true
}

// What a large value holds of the memory for bodies, arriving or leaving, is given
// back: any number of them may come one after another.
func TestLargeValuesMayComeOneAfterAnother(t *testing.T) {
	t.Parallel()
	const value = 1 << 20
	n := serve(t, newFake("n2"), Limits{Value: value, Bodies: value})
	large := strings.Repeat("x", value)
	for range 3 {
		if status := n.do("PUT", "/v1/kv/a", large).StatusCode; status != 201 && status != 200 {
			t.Fatalf("a value as large as all the memory: %d", status)
		}
	}
	tag := n.do("HEAD", "/v1/kv/a", "").want(t, 200, "").Header.Get("ETag")
	for range 3 {
		if got := n.do("GET", "/v1/kv/a", "").want(t, 200, ""); len(got.body) != value {
			t.Fatalf("%d bytes", len(got.body))
		}
		n.do("GET", "/v1/kv/a", "", "If-None-Match", tag)
		n.do("GET", "/v1/kv/a", "", "If-Match", `"0-0"`)
		n.do("PUT", "/v1/kv/a", large+"x").want(t, 413, "")
		eventually(t, "all memory is given back", n.free)
	}
}

// To make room, only uploads are ended that are both old and slow.
func TestOnlySlowUploadsMakeRoom(t *testing.T) {
	t.Parallel()
	var us uploads
	begin := func(age time.Duration, arrived int) *upload {
		u := us.begin(http.NewResponseController(httptest.NewRecorder()), Limits{}.WithDefaults())
		u.began = time.Now().Add(-age)
		u.progress(arrived)
		return u
	}
	const minute = 60
	fast, fresh := begin(minute*time.Second, 2*minute*fair), begin(young/4, 0)
	slower, slow := begin(minute*time.Second, minute*fair/4), begin(minute*time.Second, minute*fair/2)
	ended := func() (out []string) {
		for name, u := range map[string]*upload{"fast": fast, "fresh": fresh, "slower": slower, "slow": slow} {
			u.mu.Lock()
			if u.ended {
				out = append(out, name)
			}
			u.mu.Unlock()
		}
		return out
	}
	if us.endSlow(smallBody); strings.Join(ended(), " ") != "slower" {
		t.Errorf("for little room these were ended: %v", ended())
	}
	if us.endSlow(1 << 30); len(ended()) != 2 || fast.ended || fresh.ended {
		t.Errorf("for much room these were ended: %v", ended())
	}
	for u, want := range map[*upload]bool{slow: true, slower: true, fast: false, fresh: false} {
		if us.end(u, false) != want {
			t.Error("an upload's end does not say whether it made room")
		}
	}
	if len(us.active) > 0 {
		t.Errorf("%d uploads are on the list, and all have ended", len(us.active))
	}
}

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// shelf is a node that keeps values as a node does: by the bytes of the path.
type shelf struct {
	*httptest.Server
	mu     sync.Mutex
	values map[string]string
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{values: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.handle))
	t.Cleanup(s.Close)
	return s
}

func (s *shelf) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Holdfast-Node", "n1")
	if key, ok := strings.CutPrefix(r.URL.Path, "/v1/locate/"); ok {
		fmt.Fprintf(w, `{"key_base64":%q,"partition":1,"primary":"n1","replicas":["n1"]}`, base64.StdEncoding.EncodeToString([]byte(key)))
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/v1/kv/")
	value, found := s.values[key]
	w.Header().Set("ETag", `"0000002a-7"`)
	switch {
	case r.Method == http.MethodPut:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.values[key] = string(b)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodDelete:
		delete(s.values, key)
		w.Header().Set("Holdfast-Existed", fmt.Sprint(found))
		w.WriteHeader(http.StatusNoContent)
	case found:
		io.WriteString(w, value)
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"code":"key-not-found"}`)
	}
}

// odd are keys and values that a careless way changes, or takes for one another.
func odd() []string {
	all := make([]byte, 255)
	for i := range all {
		all[i] = byte(i + 1) // a command line has no NUL
	}
	return []string{
		"\xff", "\xfe", "\ufffd", "\xff\xfe", "a\xffb", "a\xfeb", "\xc3", "\xc3\xa9", "caf\u00e9", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"a b", "a+b", "a%20b", "a%2Fb", "a/b", "/a/", "a//b", "..", "a/../b", "a?b=c", "a#b", "a,b", "a=b", "${x}", "$$", `"q"`, "'q'", `a\b`,
		"{t}x", "<&>", "line\nline", "\u2028", string(all),
	}
}

// TestKeysAndValuesGoByteForByte: what stands on the command line, or comes from
// standard input, is stored and read as it is, and no two keys become one.
func TestKeysAndValuesGoByteForByte(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	command := func(input string, args ...string) string {
		t.Helper()
		code, out, errOut := execute(t, input, append(args, "--server", s.URL)...)
		if code != exitOK {
			t.Fatalf("%q: exit code %d: %s", args, code, errOut)
		}
		return out
	}
	for _, key := range odd() {
		command("", "put", key, "of "+key)
	}
	if len(s.values) != len(odd()) {
		t.Errorf("%d keys have become %d", len(odd()), len(s.values))
	}
	for _, text := range odd() {
		if got := command("", "get", text); got != "of "+text {
			t.Errorf("the value of %q is %q", text, got)
		}
		command("", "put", "value", text)
		if got := s.values["value"]; got != text {
			t.Errorf("the value %q was stored as %q", text, got)
		}
		command(text, "put", "value", "-")
		if got := command("", "get", "value"); got != text {
			t.Errorf("the value %q from standard input came back as %q", text, got)
		}
		for _, args := range [][]string{{"get", text}, {"put", text, "v"}, {"locate", text}, {"delete", text}} {
			checkKeyInJSON(t, text, command("", append(args, "--json")...))
		}
	}
	if len(s.values) != 1 {
		t.Errorf("%d keys are left: %q", len(s.values), s.values)
	}
}

// checkKeyInJSON checks that the key can be read from what a command printed.
func checkKeyInJSON(t *testing.T, key, text string) {
	t.Helper()
	var out struct {
		Key       string  `json:"key"`
		KeyBase64 []byte  `json:"key_base64"`
		Value     *string `json:"value"`
		Base64    []byte  `json:"value_base64"`
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	if got := out.Key + string(out.KeyBase64); got != key {
		t.Errorf("the key %q is told as %q: %s", key, got, text)
	}
	got := string(out.Base64)
	if out.Value != nil {
		got += *out.Value
	}
	if got != "" && got != "of "+key {
		t.Errorf("the value of %q is told as %q", key, got)
	}
}

// TestAnEmptyIdempotencyKeyIsNotReplaced: a script whose variable is not set must
// not believe that its write has a name.
func TestAnEmptyIdempotencyKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Holdfast-Node", "n1")
		if key, named := r.Header["Idempotency-Key"]; !named || key[0] != "" {
			w.Header().Set("ETag", `"0000002a-7"`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"code":"bad-idempotency-key","detail":"in words"}`)
	}))
	t.Cleanup(server.Close)
	for args, want := range map[string]int{"": exitOK, "--idempotency-key=": exitNotApplied, "--idempotency-key=n": exitOK} {
		line := []string{"put", "k", "v", "--server", server.URL}
		if args != "" {
			line = append(line, args)
		}
		if code, _, errOut := execute(t, "", line...); code != want {
			t.Errorf("%q: exit code %d, want %d: %s", args, code, want, errOut)
		}
	}
}

// TestExitCodesWhereNoNodeAnswers: a page of something between tells of a write
// nothing, and is no value.
func TestExitCodesWhereNoNodeAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 204, 302, 400, 404, 409, 412, 502, 503, 504} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"0000002a-7"`)
			w.Header().Set("Server", "nginx")
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				io.WriteString(w, `{"code":"key-not-found"}`)
			}
		}))
		t.Cleanup(server.Close)
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				args []string
				want int
			}{
				{[]string{"get", "k"}, exitNotApplied}, {[]string{"get", "k", "--json"}, exitNotApplied}, {[]string{"locate", "k"}, exitNotApplied},
				{[]string{"status"}, exitNotApplied}, {[]string{"moves"}, exitNotApplied},
				{[]string{"put", "k", "v"}, exitUnknown}, {[]string{"put", "k", "v", "--if-absent", "--json"}, exitUnknown}, {[]string{"delete", "k"}, exitUnknown},
			} {
				code, out, errOut := execute(t, "", append(c.args, "--server", server.URL, "--timeout", "300ms")...)
				if code != c.want || out != "" || !strings.Contains(errOut, "no Holdfast server") || !strings.Contains(errOut, "nginx") {
					t.Errorf("%q: exit code %d, want %d: %q %q", c.args, code, c.want, out, errOut)
				}
			}
		})
	}
}

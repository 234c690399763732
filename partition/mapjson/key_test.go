package mapjson

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzKeyInJSON: a key comes out of JSON as it went in, byte for byte, and no two
// keys look alike in it.
func FuzzKeyInJSON(f *testing.F) {
	for _, key := range []string{"a", "a/b c", "\xff", "\xff\xfe", "caf\u00e9", "\ufffd", "a\xed\xa0\x80b", "\x00\n\"<&>\u2028", "\xc3"} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		if len(key) == 0 {
			return // no key is empty
		}
		text, err := json.Marshal(Location{Key: KeyOf(key), Partition: 5})
		if err != nil {
			t.Fatal(err)
		}
		var back Location
		if err := json.Unmarshal(text, &back); err != nil || string(back.Bytes()) != string(key) || back.Partition != 5 {
			t.Fatalf("%q came back as %q from %s (%v)", key, back.Bytes(), text, err)
		}
		if readable := strings.Contains(string(text), `"key":`); readable == strings.Contains(string(text), `"key_base64":`) {
			t.Fatalf("%q: want one form of the key in %s", key, text)
		}
	})
}

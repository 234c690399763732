package mapjson

import "unicode/utf8"

// Key is a key in JSON. A JSON string holds only Unicode, so a key that is not
// UTF-8 stands in a field of its own, in base64; exactly one field is there.
type Key struct {
	Text   string `json:"key,omitempty"`
	Base64 []byte `json:"key_base64,omitempty"`
}

// KeyOf returns the key in its form for JSON.
func KeyOf(key []byte) Key {
	if utf8.Valid(key) {
		return Key{Text: string(key)}
	}
	return Key{Base64: key}
}

// Bytes returns the key itself.
func (k Key) Bytes() []byte {
	if k.Base64 != nil {
		return k.Base64
	}
	return []byte(k.Text)
}

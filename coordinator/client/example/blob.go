package main

import "encoding/base64"

// blob is a key or a value on its way in JSON. Its text is base64: a JSON string
// holds only Unicode, and would change other bytes without an error.
type blob struct{ string }

// MarshalText implements encoding.TextMarshaler, for values and for keys of maps.
func (b blob) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, []byte(b.string)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *blob) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	b.string = string(raw)
	return err
}

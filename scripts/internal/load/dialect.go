package load

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

// Dialect writes one system's requests and judges its answers.
type Dialect interface {
	// Put appends the request that sets the key to the value.
	Put(dst []byte, host string, key, value []byte) []byte
	// Get appends the request that reads the key.
	Get(dst []byte, host string, key []byte) []byte
	// Found reports whether the body of a successful read holds a value.
	Found(body []byte) bool
}

// DialectOf returns the dialect with that name: "holdfast" (a bare handler with
// the same paths speaks it too) or "etcd" (its HTTP gateway, JSON and base64).
func DialectOf(name string) (Dialect, error) {
	switch name {
	case "holdfast":
		return holdfast{}, nil
	case "etcd":
		return etcd{}, nil
	}
	return nil, fmt.Errorf("dialect %q: want holdfast or etcd", name)
}

type holdfast struct{}

func (holdfast) Put(dst []byte, host string, key, value []byte) []byte {
	dst = append(dst, "PUT /v1/kv/"...)
	dst = append(dst, key...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(value)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, value...)
}

func (holdfast) Get(dst []byte, host string, key []byte) []byte {
	dst = append(dst, "GET /v1/kv/"...)
	dst = append(dst, key...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	return append(dst, "\r\n\r\n"...)
}

func (holdfast) Found([]byte) bool { return true }

type etcd struct{}

func (etcd) Put(dst []byte, host string, key, value []byte) []byte {
	const frame = `{"key":"","value":""}`
	enc := base64.StdEncoding
	dst = post(dst, "/v3/kv/put", host, len(frame)+enc.EncodedLen(len(key))+enc.EncodedLen(len(value)))
	dst = append(dst, `{"key":"`...)
	dst = enc.AppendEncode(dst, key)
	dst = append(dst, `","value":"`...)
	dst = enc.AppendEncode(dst, value)
	return append(dst, `"}`...)
}

// Get is a linearizable range over one key: etcd's default.
func (etcd) Get(dst []byte, host string, key []byte) []byte {
	const frame = `{"key":""}`
	enc := base64.StdEncoding
	dst = post(dst, "/v3/kv/range", host, len(frame)+enc.EncodedLen(len(key)))
	dst = append(dst, `{"key":"`...)
	dst = enc.AppendEncode(dst, key)
	return append(dst, `"}`...)
}

func (etcd) Found(body []byte) bool { return bytes.Contains(body, []byte(`"kvs"`)) }

func post(dst []byte, path, host string, length int) []byte {
	dst = append(dst, "POST "...)
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(length), 10)
	return append(dst, "\r\n\r\n"...)
}

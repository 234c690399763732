package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// response is an HTTP/1.1 answer, parsed where it lies in the read buffer.
type response struct {
	status int
	body   []byte
	close  bool // the server ends the connection after it
	length int  // of the whole answer, in bytes
}

// errIncomplete says that the rest of the answer is still to come.
var errIncomplete = errors.New("incomplete")

// parseResponse reads one answer from the front of b. It knows what servers
// written in Go send: Content-Length or chunks.
func parseResponse(b []byte) (response, error) {
	var r response
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return r, errIncomplete
	}
	head := b[:end+2]
	if len(head) < 14 || !bytes.HasPrefix(head, []byte("HTTP/1.")) {
		return r, fmt.Errorf("not an HTTP/1 answer: %.40q", b)
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		return r, fmt.Errorf("status line %.40q: %w", head, err)
	}
	r.status = status
	length, chunked := -1, false
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return r, fmt.Errorf("content length %q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			r.close = bytes.EqualFold(value, []byte("close"))
		}
	}
	rest := b[end+4:]
	switch {
	case chunked:
		body, used, err := parseChunks(rest)
		r.body, r.length = body, end+4+used
		return r, err
	case length < 0 && (status == 204 || status == 304):
		length = 0
	case length < 0:
		return r, fmt.Errorf("answer %d without a length", status)
	}
	if len(rest) < length {
		return r, errIncomplete
	}
	r.body, r.length = rest[:length], end+4+length
	return r, nil
}

func parseChunks(b []byte) (body []byte, used int, err error) {
	for {
		line := bytes.Index(b[used:], []byte("\r\n"))
		if line < 0 {
			return nil, 0, errIncomplete
		}
		size, err := strconv.ParseUint(string(b[used:used+line]), 16, 31)
		if err != nil {
			return nil, 0, fmt.Errorf("chunk size %.20q: %w", b[used:used+line], err)
		}
		used += line + 2
		if len(b)-used < int(size)+2 {
			return nil, 0, errIncomplete
		}
		body = append(body, b[used:used+int(size)]...)
		used += int(size) + 2
		if size == 0 {
			return body, used, nil
		}
	}
}

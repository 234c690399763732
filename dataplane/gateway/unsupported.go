package gateway

import (
	"net/http"
	"strings"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// unsupported finds what the header of a write says of it that Holdfast cannot
// honour. The write is then refused. RFC 9110 allows a server to ignore most of
// these fields, but then a part of a value would replace the whole value, or a
// write would be applied though nobody judged its condition.
//
// It goes through the header once, where a look-up for each of the fields takes
// a third longer. If several fields are at fault, any of them is named.
func unsupported(r *http.Request, action replica.Action) (p *problem, detail string) {
	sized := r.ContentLength != 0 || r.ProtoMajor != 1
	for name, lines := range r.Header {
		switch name {
		case "Content-Length":
			sized = true
		case "Content-Range", "Range":
			return &partialValue, name + " says that this is about a part of a value; " + partialValue.detail
		case "Upload-Complete":
			if len(lines) != 1 || strings.TrimSpace(lines[0]) != "?1" {
				return &partialValue, name + " says that the rest of the value is still to come; " + partialValue.detail
			}
		case "Content-Type":
			if isByteRanges(lines) {
				return &partialValue, "multipart/byteranges has parts of a value; " + partialValue.detail
			}
		case "Content-Encoding":
			if action == replica.Put && !isIdentity(lines) {
				return &contentEncoding, ""
			}
		case "If-Unmodified-Since":
			if len(r.Header[headerIfMatch]) == 0 {
				return &badCondition, conditionDetail(name)
			}
		case "If-Modified-Since":
			if len(r.Header[headerIfNoneMatch]) == 0 {
				return &badCondition, conditionDetail(name)
			}
		case "If-Range", "If":
			return &badCondition, conditionDetail(name)
		}
	}
	if action == replica.Put && !sized {
		return &lengthRequired, ""
	}
	return nil, ""
}

func conditionDetail(name string) string {
	return name + " is not a condition of Holdfast's: " + badCondition.detail
}

// isByteRanges reports whether one of the media types is multipart/byteranges.
func isByteRanges(lines []string) bool {
	for _, line := range lines {
		kind, _, _ := strings.Cut(line, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "multipart/byteranges") {
			return true
		}
	}
	return false
}

// isIdentity reports whether the content codings change nothing.
func isIdentity(lines []string) bool {
	for _, line := range lines {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return false
			}
		}
	}
	return true
}

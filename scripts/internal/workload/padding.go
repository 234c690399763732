package workload

import "strings"

// padded makes a value larger, in a way that shows whether it is whole.
func padded(value string, size int) string {
	if size <= len(value) {
		return value
	}
	return strings.Repeat(value+" ", size/(len(value)+1)+1)[:size]
}

// unpadded returns the value that was padded; a text that is not whole as it is.
func unpadded(text string) string {
	value, _, _ := strings.Cut(text, " ")
	if text != padded(value, len(text)) {
		return text
	}
	return value
}

package dataplane

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// How a chunk of a snapshot travels, by its first byte.
const (
	chunkPlain = 0
	chunkZstd  = 1
)

// mostChunk bounds what a compressed chunk may become, in bytes: a value of the
// largest size allowed, and what a chunk has beside it.
const mostChunk = 64 << 20

// packer compresses the chunks of snapshots, and takes them apart. It is safe for
// concurrent use.
type packer struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newPacker() (*packer, error) {
	// The fastest level: a stream should wait for the network or a disk.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(sendersAtOnce), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("compression of snapshots: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(receiversAtOnce), zstd.WithDecoderMaxMemory(mostChunk))
	if err != nil {
		return nil, fmt.Errorf("compression of snapshots: %w", err)
	}
	return &packer{encoder, decoder}, nil
}

// pack appends a chunk, compressed where that makes it smaller by a tenth.
func (p *packer) pack(b, chunk []byte) []byte {
	at := len(b)
	b = p.encoder.EncodeAll(chunk, append(b, chunkZstd))
	if len(b)-at > len(chunk)-len(chunk)/10 {
		b = append(append(b[:at], chunkPlain), chunk...)
	}
	return b
}

// unpack returns the chunk, which may share b's memory.
func (p *packer) unpack(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errPartForm
	}
	switch b[0] {
	case chunkPlain:
		return b[1:], nil
	case chunkZstd:
		chunk, err := p.decoder.DecodeAll(b[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errPartForm, err)
		}
		return chunk, nil
	}
	return nil, fmt.Errorf("%w: packing %d", errPartForm, b[0])
}

// close ends the decoder's goroutines.
func (p *packer) close() { p.decoder.Close() }

package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/wire"
	"atrium/storage"
)

// download reads a content-addressed object as it arrives and holds one chunk of it. A
// broken connection is taken up where it broke. At the end, io.EOF means that the digest
// is right; until then nothing of it is to be believed.
type download struct {
	ctx    context.Context
	cancel context.CancelFunc
	link   *link
	digest federation.Digest
	limit  int64
	source func(ctx context.Context, offset int64) (grpc.ServerStreamingClient[atriumpb.Chunk], error)

	stream   grpc.ServerStreamingClient[atriumpb.Chunk]
	chunk    []byte    // room for one chunk
	rest     []byte    // of it: arrived and not yet read
	offset   int64     // of what follows rest
	hash     hash.Hash // nil: whoever reads verifies
	attempts int       // since something arrived
	err      error
}

// open starts the download of an object of at most limit bytes; the caller closes it.
func (l *link) open(ctx context.Context, digest federation.Digest, limit int64) *download {
	return l.openBy(ctx, digest, limit, func(ctx context.Context, offset int64) (grpc.ServerStreamingClient[atriumpb.Chunk], error) {
		return l.api.Fetch(ctx, &atriumpb.FetchRequest{Federation: l.federation, Digest: digest[:], Offset: offset})
	})
}

// openBy is open of what a call streams from an offset on.
func (l *link) openBy(ctx context.Context, digest federation.Digest, limit int64, source func(context.Context, int64) (grpc.ServerStreamingClient[atriumpb.Chunk], error)) *download {
	ctx, cancel := context.WithCancel(ctx)
	return &download{ctx: ctx, cancel: cancel, link: l, digest: digest, limit: limit, source: source, hash: sha256.New()}
}

// Close implements io.Closer.
func (d *download) Close() error { d.cancel(); return nil }

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for len(d.rest) == 0 && d.err == nil {
		if err := d.receive(); err != nil && !d.again(err) {
			d.err = d.end(err)
		}
	}
	if len(d.rest) == 0 {
		return 0, d.err
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// receive takes the next chunk.
func (d *download) receive() (err error) {
	if d.stream == nil {
		d.stream, err = d.source(d.ctx, d.offset)
		if err != nil {
			return err
		}
	}
	if d.chunk == nil {
		d.chunk = make([]byte, 0, chunkBytes)
	}
	chunk := wire.ChunkInto(d.chunk)
	switch err := d.stream.RecvMsg(chunk); {
	case chunk.TooLong:
		return fmt.Errorf("chunk of more than %d bytes: %w", chunkBytes, ErrDishonest)
	case err != nil:
		return err
	}
	if len(chunk.Bytes) == 0 { // or an endless stream of nothing would never end
		return fmt.Errorf("empty chunk: %w", ErrDishonest)
	}
	d.rest = chunk.Bytes
	d.offset += int64(len(d.rest))
	d.attempts = 0
	if d.offset > d.limit {
		return fmt.Errorf("more than %d bytes: %w", d.limit, storage.ErrTooLarge)
	}
	if d.hash != nil {
		d.hash.Write(d.rest)
	}
	return nil
}

// again reports whether to go on after an error of the connection, after a pause.
func (d *download) again(err error) bool {
	if status.Code(err) != codes.Unavailable || d.attempts == maxAttempts {
		return false
	}
	d.attempts++
	d.stream = nil
	return d.link.fail(d.ctx, err) == nil
}

func (d *download) end(err error) error {
	switch {
	case errors.Is(err, io.EOF) && (d.hash == nil || federation.Digest(d.hash.Sum(nil)) == d.digest):
		return io.EOF
	case errors.Is(err, io.EOF):
		err = storage.ErrDigest
	}
	d.rest = nil
	return fmt.Errorf("fetch %s: %w", d.digest.Short(), err)
}

// fetch downloads an object into memory.
func (l *link) fetch(ctx context.Context, digest federation.Digest, limit int) ([]byte, error) {
	d := l.open(ctx, digest, int64(limit))
	defer d.Close()
	return d.all()
}

// all reads the object into memory.
func (d *download) all() ([]byte, error) { return io.ReadAll(d) }

// Package location says where a federation's objects are kept, a directory or a folder of
// an S3 bucket, and opens it.
//
// It reads no configuration and no file of credentials: its caller, the command line or
// whoever makes a federation, brings a minio.Config without its place. A [Location] is a
// value; a [Bucket] is what its driver says.
package location

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/minio"
)

// Sentinels of locations.
var (
	ErrLocation = errors.New("no storage location")
	ErrNotEmpty = errors.New("storage is not empty")
)

const s3Scheme = "s3://"

// Location is a directory, or a folder of an S3 bucket. The zero value is nowhere.
type Location struct {
	dir            string
	bucket, prefix string
}

// Bucket is an opened Location.
type Bucket interface {
	storage.Bucket
	Close() error
}

// Parse reads "s3://BUCKET/PREFIX", "s3://BUCKET" or a directory. [ErrLocation].
func Parse(text string) (Location, error) {
	rest, is := strings.CutPrefix(text, s3Scheme)
	if !is {
		if text == "" || strings.Contains(text, "://") {
			return Location{}, fmt.Errorf("%w: %q: want a directory or s3://BUCKET/PREFIX", ErrLocation, redact(text))
		}
		return Location{dir: filepath.Clean(text)}, nil
	}
	var l Location
	l.bucket, l.prefix, _ = strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	if !minio.ValidBucket(l.bucket) || l.prefix != "" && !minio.ValidPrefix(l.prefix) {
		return Location{}, fmt.Errorf("%w: %q: want s3://BUCKET/PREFIX, the bucket 3 to 63 of a-z, 0-9 and -, the prefix of a-z, 0-9, -, _, . and /", ErrLocation, redact(text))
	}
	return l, nil
}

// redact keeps what stands before an @, as passwords do in other programs, out of an error.
func redact(text string) string { return text[strings.LastIndex(text, "@")+1:] }

// S3 reports whether it is a folder of an S3 bucket.
func (l Location) S3() bool { return l.bucket != "" }

// Bucket is the S3 bucket and the folder in it, both empty for a directory.
func (l Location) Bucket() (bucket, prefix string) { return l.bucket, l.prefix }

// String is what Parse reads.
func (l Location) String() string {
	if !l.S3() {
		return l.dir
	}
	return strings.TrimSuffix(s3Scheme+l.bucket+"/"+l.prefix, "/")
}

// Open opens what is there. Errors are the driver's, behind the location.
func (l Location) Open(ctx context.Context, s3 minio.Config) (Bucket, error) {
	if !l.S3() {
		b, err := local.Open(l.dir)
		return bucketOr(b, err)
	}
	s3.Bucket, s3.Prefix = l.bucket, l.prefix
	b, err := minio.Open(ctx, s3)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", l, err)
	}
	return b, nil
}

// bucketOr keeps a nil driver out of a non-nil interface.
func bucketOr(b *local.Bucket, err error) (Bucket, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Create makes an empty place and opens it: a directory that is absent or empty, or a
// folder without objects in an S3 bucket, which must exist and pass the probe. [ErrNotEmpty]
// and the driver's errors.
func (l Location) Create(ctx context.Context, s3 minio.Config) (b Bucket, warnings []string, err error) {
	if !l.S3() {
		b, err := bucketOr(local.Create(l.dir))
		return b, nil, err
	}
	if b, err = l.Open(ctx, s3); err != nil {
		return nil, nil, err
	}
	warnings, err = Probe(ctx, b)
	if err == nil {
		err = requireEmpty(ctx, l, b)
	}
	if err != nil {
		b.Close()
		return nil, nil, err
	}
	return b, warnings, nil
}

// requireEmpty refuses a folder that holds more than the probe's objects.
func requireEmpty(ctx context.Context, l Location, b Bucket) error {
	infos, err := b.List(ctx, "")
	if err != nil {
		return err
	}
	for _, info := range infos {
		if !minio.IsProbe(info.Name) {
			return fmt.Errorf("%s: %w: it has %s: choose another prefix", l, ErrNotEmpty, info.Name)
		}
	}
	return nil
}

// Probe shows that a place can hold a federation, before anyone writes to it; it returns
// warnings. A directory needs no probe. See [minio.Bucket.Probe] for the errors.
func Probe(ctx context.Context, b Bucket) (warnings []string, err error) {
	if s3, is := b.(*minio.Bucket); is {
		return s3.Probe(ctx)
	}
	return nil, nil
}

// CheckVersions shows, where the place can tell, that nobody wrote over a batch of the
// log: [minio.ErrVersions].
func CheckVersions(ctx context.Context, b Bucket) error {
	if s3, is := b.(*minio.Bucket); is {
		return s3.CheckVersions(ctx)
	}
	return nil
}

package minio

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage"
)

// Tested names the servers that the conformance suite of storage.Bucket runs against.
const Tested = "MinIO (commit 7aac2a2c5b7c of February 2026), one node and four; versitygw v1.8.0 on POSIX"

// dataFolders hold what the Data credential writes; the Log credential writes the rest.
var dataFolders = []string{storage.BlobFolder, storage.ModelsFolder, storage.VersionsFolder, storage.RoundsFolder, storage.EnvelopesFolder}

// Bucket is a folder of an S3 bucket as a storage.Bucket.
type Bucket struct {
	config            Config
	transport         *http.Transport
	data, log, retire account
	versioned         bool         // the bucket of permanent objects
	page              int          // objects of a listing's page
	endpoint          atomic.Int64 // counts up when one did not answer
	closed            atomic.Bool
}

var (
	_ storage.Bucket     = (*Bucket)(nil)
	_ storage.IntoReader = (*Bucket)(nil)
)

// ErrClosed is the answer of a Bucket after Close.
var ErrClosed = fmt.Errorf("bucket is closed: %w", storage.ErrBroken)

// Open connects to the store and asks whether its buckets are there and versioned.
// Errors: [ErrConfig], [ErrNoBucket], [ErrDenied], [ErrClock], [ErrUnreachable]. Whoever
// will write calls [Bucket.Probe] before.
func Open(ctx context.Context, c Config) (*Bucket, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	transport := newTransport(c)
	b := &Bucket{config: c, transport: transport, page: pageSize}
	for _, a := range []struct {
		account *account
		cred    Credentials
	}{{&b.data, c.Data}, {&b.log, c.Log}, {&b.retire, c.Retire}} {
		var err error
		if *a.account, err = newAccount(c, a.cred, markDeleted{transport}); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	status, err := b.versioning(ctx, c.Bucket)
	if err == nil && c.Pointers != c.Bucket {
		_, err = b.versioning(ctx, c.Pointers)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	b.versioned = status != ""
	return b, nil
}

// versioning is "Enabled", "Suspended", or empty for a bucket that never had versions.
func (b *Bucket) versioning(ctx context.Context, bucket string) (status string, err error) {
	_, err = b.try(ctx, b.data, 0, func(ctx context.Context, c *s3.Core, _ *call) error {
		v, err := c.GetBucketVersioning(ctx, bucket)
		status = v.Status
		if code := s3.ToErrorResponse(err).Code; code == "VersioningNotConfigured" || code == "NotImplemented" {
			return nil // a server without versions
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("S3 bucket %s: %w", bucket, err)
	}
	return status, nil
}

// Close releases the connections; later calls fail with [ErrClosed].
func (b *Bucket) Close() error {
	b.closed.Store(true)
	b.transport.CloseIdleConnections()
	return nil
}

// String names the place without a secret.
func (b *Bucket) String() string { return "s3://" + b.config.Bucket + "/" + b.config.Prefix }

// place says where an object lives and which credential reads and writes it.
func (b *Bucket) place(name string) (account, string, string) {
	a, bucket := b.log, b.config.Pointers
	if isDataName(name) {
		a = b.data
	}
	if storage.Permanent(name) {
		bucket = b.config.Bucket
	}
	return a, bucket, b.key(name)
}

func (b *Bucket) key(name string) string {
	if b.config.Prefix == "" {
		return name
	}
	return b.config.Prefix + "/" + name
}

func (b *Bucket) begin(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := storage.CheckName(name); err != nil {
		return err
	}
	return b.usable()
}

func (b *Bucket) usable() error {
	if b.closed.Load() {
		return ErrClosed
	}
	return nil
}

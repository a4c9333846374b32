package minio

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage"
)

// Sentinels of this driver.
var (
	ErrNoBucket    = errors.New("S3 bucket does not exist")
	ErrDenied      = errors.New("S3 store denies it to these credentials")
	ErrClock       = errors.New("S3 store refuses the time of this machine's clock")
	ErrUnreachable = errors.New("S3 store does not answer")
	ErrFull        = errors.New("S3 store is full: make room in it, what waits goes on by itself")
	ErrDeleted     = fmt.Errorf("batch was deleted, a marker hides it on a versioned bucket: %w", storage.ErrBroken)
	ErrVersions    = errors.New("object has several versions")
	ErrGuarantee   = errors.New("S3 store cannot hold a federation")
)

// errPrecondition is a write's refusal: something is there, or something else.
var errPrecondition = errors.New("precondition failed")

// verdict is what an answer of the store means.
type verdict int

const (
	final  verdict = iota // the same request would be answered the same
	repeat                // lost, overloaded or overtaken: the outcome of a write is open
)

// codeDeleted is how markDeleted names the answer of a delete marker.
const codeDeleted = "AtriumDeleteMarker"

// judge maps an error of minio-go to a sentinel where there is one.
func judge(err error) (error, verdict) {
	r := s3.ToErrorResponse(err)
	switch r.Code {
	case codeDeleted:
		return ErrDeleted, final
	case "NoSuchKey":
		return storage.ErrNotFound, final
	case "NoSuchBucket":
		return ErrNoBucket, final
	case "PreconditionFailed":
		return errPrecondition, final
	case "InvalidRange":
		return storage.ErrRange, final
	case "RequestTimeTooSkewed", "RequestExpired":
		return fmt.Errorf("%w: set the clock: %w", ErrClock, err), final
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "AllAccessDisabled":
		return fmt.Errorf("%w: %s", ErrDenied, r.Code), final
	case "NotImplemented":
		return fmt.Errorf("%w: %w", ErrGuarantee, err), final
	case "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded":
		return fmt.Errorf("%w: %s", ErrFull, r.Code), repeat
	case "ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown":
		return err, repeat
	}
	if bad := (*tls.CertificateVerificationError)(nil); errors.As(err, &bad) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err), final
	}
	switch s := r.StatusCode; {
	case s == 0: // no answer
		return fmt.Errorf("%w: %w", ErrUnreachable, err), repeat
	case s == http.StatusPreconditionFailed:
		return errPrecondition, final
	case s == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrDenied, err), final
	case s == http.StatusInsufficientStorage:
		return fmt.Errorf("%w: %w", ErrFull, err), repeat
	case s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= 500:
		return fmt.Errorf("%w: status %d: %w", ErrUnreachable, s, err), repeat
	}
	return err, final
}

// Package minio keeps a storage.Bucket in an S3 store: a folder of an S3 bucket, or of
// two.
//
// An object is one object of the store, written by one PUT with a condition: "If-None-Match:
// *" for put-if-absent, "If-Match: <ETag of the bytes compared>" for compare-and-swap.
// Nothing is ever a multipart upload, because completing one drops the condition, and
// nothing is streamed from a source that could stall, because a server may lock the key
// while the body comes.
//
// Outcomes. A request whose answer is lost is repeated, to the next endpoint if there are
// several; when a repeated write is answered "precondition failed", the object's metadata
// say whether the first request had succeeded after all: every write carries a random mark.
// A call of n bytes ends after Config.Patience plus one second a MiB, with an error that
// leaves the outcome open unless it is one of the contract's.
//
// What a store can lose. A MinIO of several nodes that is writing over an object when the
// connection to whoever sends it breaks may undo that by removing the object (seen with the
// release in [Tested], in one of a hundred broken overwrites). So callers take a pointer
// that is gone as one that was never written, and write it again from what is permanent:
// permanent objects are never written over. And a MinIO node that is killed while it writes
// keeps the object's lock on the others for up to two minutes: calls for that object end
// with their patience until then.
//
// Two buckets. On a versioned bucket a deletion only hides the object, behind a marker over
// which put-if-absent succeeds again, and a swap keeps every old value. So a versioned bucket
// holds permanent objects only (storage.Permanent), and what is swapped or deleted lives
// in a second, unversioned one. One unversioned bucket is the simple choice. [Bucket.Probe]
// refuses everything else, and stores whose conditions do not hold.
//
// The wire is Amazon's S3 API with "Conditional writes" (If-None-Match and If-Match on
// PutObject). It was tested on the servers in [Tested].
//
// Callers own the folder: they let nobody write there but by the policies in
// cmd/atrium/packaging. Nothing of minio-go shows in an exported signature. A Bucket is
// safe for several goroutines; several processes may share the folder.
package minio

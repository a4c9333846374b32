// Package storage says what Atrium asks of a place to keep objects, how objects are
// named, and how content-addressed objects are written and read back.
//
// It holds no driver: storage/local keeps objects in a directory, storage/minio in an S3
// bucket, and every driver is held to the contract of [Bucket] by storage/storagetest;
// storage/location opens either. It gives the objects no meaning: the log is
// storage/roundlog, snapshots are storage/models.
//
// The layout of tiles is C2SP tlog-tiles (https://c2sp.org/tlog-tiles), "Merkle
// tree" and "Log entries"; the rest is Atrium's own.
//
// Callers are the log, the coordinator's shell and the auditor. They bound what they
// store (limits.go) and never read the absence of an object out of a listing.
//
// The functions here keep no state and may be called from any goroutine; a [Bucket]
// is safe for concurrent use by contract.
package storage

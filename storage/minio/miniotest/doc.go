// Package miniotest starts real S3 servers on this machine for tests: MinIO with one node
// or with four, and versitygw, from the binaries that "make servers" puts into
// .tools/bin.
//
// A [Server] listens on loopback, keeps its data in a directory of the caller's, and its
// nodes can be killed, paused and started again on the same data. Servers die with the
// process that started them. MinIO runs with MINIO_FS_OSYNC=on, as it must for what it
// acknowledged to survive the loss of power.
//
// MinIO's nodes refuse 127.x for one another, so that four of them run in a network
// namespace of their own, which needs root, and are reached through ports on loopback
// that can be cut. One on a small disk of its own, which can be filled, has it in a namespace
// of mounts.
//
// Only tests import it. A Server is safe for several goroutines.
package miniotest

// Package local keeps a storage.Bucket in a directory of a local file system.
//
// An object is the file of its name below the directory. It is written under .tmp,
// fsynced, and appears by link(2) or rename(2), whole or not at all; then its folder is
// fsynced, and so was every new folder above it before. An object that someone else
// wrote is trusted only after this process has fsynced its folder. Files have mode 0600,
// folders 0700. os.Root keeps every path below the directory.
//
// It does not work on network file systems that have no flock(2) or no durable
// directory fsync, does not remove folders that have become empty, and repeats nothing:
// an error is the caller's to judge. After one failed fsync nobody knows what the disk
// holds, so the Bucket refuses every later call with [ErrFsync]; opening it again starts
// from what is there.
//
// Durability follows Rebello et al., "Can Applications Recover from fsync Failures?"
// (USENIX ATC 2020), and fsync(2), link(2), flock(2).
//
// Callers are the coordinator, the hospital's daemon and the auditor; they own the
// directory and let nobody else write there.
//
// A Bucket is safe for several goroutines, and for several processes that each open the
// directory.
package local

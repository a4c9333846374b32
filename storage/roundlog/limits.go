package roundlog

// Bounds on everything that is read from a bucket or comes from a caller.
const (
	maxSize            = 1 << 53  // entries of a log; package tlog counts for ever above 2^62
	MaxEntryBytes      = 16 << 10 // one entry; tlog-tiles allows 64 KiB
	MaxBatchEntries    = 1024     // entries of one batch
	MaxBatchPayload    = 4 << 20  // bytes of all entries of one batch
	MaxBatchBytes      = 6 << 20  // one batch object: base64 and the fields around it
	MaxOrigin          = 128      // bytes in the name of a log or a cosigner
	MaxCheckpointBytes = 4 << 10  // a checkpoint with its signature
	MaxCosignature     = 512      // bytes of one cosignature line
	MaxKeptBytes       = 16 << 10 // a checkpoint with cosignatures, as a hospital hands it on
	maxKeyText         = 512      // bytes of a key in text form
	maxAttempts        = 3        // puts of one batch before its outcome is in doubt
	nearest            = 32       // batches after the next that are all looked for when a Log is opened
	farthest           = 1 << 16  // and up to this distance each twice as far as the one before
	maxTiles           = 256      // verified tiles of 8 KiB that a Log keeps
	maxBundle          = 256 * (2 + MaxEntryBytes)
)

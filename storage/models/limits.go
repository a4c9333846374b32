package models

import "atrium/storage"

// Bounds on snapshots and cards, which arrive from outside.
const (
	MaxSnapshotBytes = storage.MaxObjectBytes // a whole snapshot, 64 million F32 parameters
	MaxHeaderBytes   = 1 << 20                // the JSON header, padding included
	MaxTensors       = 4096                   // tensors of one snapshot
	MaxDimensions    = 8                      // dimensions of one tensor
	MaxTensorName    = 128                    // bytes of a tensor's name
	MaxCardBytes     = 8 << 10                // a signed card; its body is smaller
	readBytes        = 1 << 20                // read from a bucket at a time
	maxCounter       = 1<<53 - 1              // version, round and log index: exact in any JSON reader
)

// Package models encodes what a model version consists of: the snapshot (parameters,
// preprocessing, optimiser state, label map) and the signed card that says how it
// came about; and it stores snapshots under their digest.
//
// It does no arithmetic on parameters, holds no key and decides nothing about
// versions: the aggregation rule makes a snapshot's numbers, the coordinator numbers
// versions by log entries, and card signatures are made and checked by functions that
// the caller passes in.
//
// A snapshot is one safetensors file (github.com/huggingface/safetensors, README
// "Format"): the header's length as 8-byte little-endian integer, a JSON header from
// name to dtype, shape and data_offsets (half open, relative to the end of the
// header) beside a map __metadata__ of strings, then the tensors' bytes, little
// endian, row major, without a hole. Of the many such files for one snapshot, Encode
// writes and Decode accepts one: F64 tensors before F32 ones, so that each is aligned,
// by name within a type, header entries in the order of the data, keys in the order
// above, padded with spaces to a multiple of 8 bytes. So a digest names one snapshot.
//
// The coordinator calls Encode and Put after the rule ran; hospitals, auditors and
// replay call Decode or Get with a digest out of a verified log entry.
//
// Values are immutable by convention and safe to share between goroutines.
package models

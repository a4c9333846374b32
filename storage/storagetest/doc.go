// Package storagetest holds what tests of storage need: [Run], the conformance suite of
// the storage.Bucket contract; [Memory], the contract's simplest implementation; and
// [Faulty], which makes one chosen write of a Bucket fail in a chosen way.
//
// It cannot test durability: that needs the driver's own knowledge of its medium.
//
// Only tests import it. Everything here is safe for concurrent use.
package storagetest

package storage

import (
	"context"
	"errors"
)

// Sentinels that every driver returns, wrapped with the object's name.
var (
	ErrNotFound = errors.New("object not found")
	ErrExists   = errors.New("object exists")
	ErrConflict = errors.New("object is not what the swap expects")
	ErrRange    = errors.New("range starts beyond the object")
	ErrName     = errors.New("invalid object name")
	ErrTooLarge = errors.New("object too large")
	ErrBroken   = errors.New("the storage refuses to go on until it is opened again")
)

// ObjectInfo describes one stored object.
type ObjectInfo struct {
	Name string
	Size int64 // bytes
}

// Bucket is a flat set of named objects. Every driver has this contract.
//
// Names. Every method MUST refuse a name that [CheckName] refuses, with [ErrName].
// No caller uses one object's name as the folder of another ("a" and "a/b"); a driver
// MAY refuse to.
//
// Atomicity. A reader MUST see an object whole, as one write left it, or not at all:
// no crash, full disk or cancelled context may leave a part of one under its name.
//
// Durability. When a write returns nil its effect MUST survive the loss of power, and
// every later call by anyone MUST see it. The same holds for what a write found and
// named in [ErrExists] or [ErrConflict], and for what Get and Stat return to a caller
// that acts upon it.
//
// Outcomes. [ErrExists], [ErrConflict], [ErrName] and [ErrTooLarge] mean that this call
// changed nothing, unless the driver had to repeat a request whose answer was lost: then
// they MAY be the answer to the call's own first request. Any other error from a write
// leaves its outcome unknown: the object may be there, whole, now or later. So a caller
// that cares repeats the same bytes under the same name, and on [ErrExists] or
// [ErrConflict] reads what is there. [ErrBroken] is the answer to every later call too;
// after any other error the next call may succeed.
//
// Blocking. A method MAY block on disk or network, MUST return soon after ctx is done,
// and MUST NOT retry for longer than its driver documents. A Bucket MUST be safe for use
// by several goroutines and, where the driver says so, by several processes. It MUST NOT
// keep or change the slices it is given, and the slices it returns belong to the caller.
type Bucket interface {
	// Get returns length bytes from offset on, fewer where the object ends earlier, or
	// all the rest for a negative length. ErrNotFound; ErrRange when offset is negative
	// or greater than the size; ErrTooLarge when more than MaxObjectBytes would return.
	Get(ctx context.Context, name string, offset, length int64) ([]byte, error)

	// PutIfAbsent stores data under a name that holds nothing. Of several concurrent
	// callers exactly one succeeds. ErrExists when the name holds an object, whatever
	// its bytes; ErrTooLarge above MaxObjectBytes.
	PutIfAbsent(ctx context.Context, name string, data []byte) error

	// CompareAndSwap replaces the object when its bytes equal old; a nil old means that
	// the name must hold nothing, an empty one an empty object. Of several concurrent
	// callers with one old exactly one succeeds. ErrConflict otherwise, absence included.
	CompareAndSwap(ctx context.Context, name string, old, new []byte) error

	// List returns the objects whose names begin with prefix, sorted bytewise by name.
	// Objects written or deleted meanwhile MAY be missing or present, so that nothing
	// may be concluded from an absence. An empty prefix lists all.
	List(ctx context.Context, prefix string) ([]ObjectInfo, error)

	// Stat returns an object's size. ErrNotFound.
	Stat(ctx context.Context, name string) (ObjectInfo, error)

	// Delete removes an object; that it is absent is no error.
	Delete(ctx context.Context, name string) error
}

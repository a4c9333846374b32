package storage

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Checkpoint is the name of the log's signed checkpoint.
const Checkpoint = "checkpoint"

// Lease is the name of the object that says which coordinator leads. It is liveness
// only: the log does not depend on it.
const Lease = "lease"

// Folders of the layout, each ending in a slash.
const (
	LogFolder      = "log/"
	TileFolder     = "tile/"
	BlobFolder     = "blob/"
	RoundsFolder   = "rounds/"
	ModelsFolder   = "models/"
	VersionsFolder = "versions/"
)

// TileWidth is the number of hashes in a full tile and of entries in a full bundle.
const TileWidth = 256

// CheckName reports with [ErrName] why s cannot name an object: it must have 1 to
// [MaxName] bytes of a-z, 0-9, '-', '_', '.' and '/', in elements of 1 to [MaxElement]
// bytes between slashes, none beginning with a dot. Upper case is refused because two
// names must stay two on every file system.
func CheckName(s string) error {
	if len(s) == 0 || len(s) > MaxName {
		return fmt.Errorf("%w: %d bytes", ErrName, len(s))
	}
	for e := range strings.SplitSeq(s, "/") {
		if !validElement(e) {
			return fmt.Errorf("%w: %q", ErrName, s)
		}
	}
	return nil
}

// CheckPrefix is [CheckName] for the prefix of a listing: the last element may be empty
// or cut short, and the whole may be empty.
func CheckPrefix(s string) error {
	if s == "" {
		return nil
	}
	if folder, ok := strings.CutSuffix(s, "/"); ok {
		return CheckName(folder)
	}
	return CheckName(s)
}

func validElement(e string) bool {
	if len(e) == 0 || len(e) > MaxElement || e[0] == '.' {
		return false
	}
	for _, c := range []byte(e) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// Batch is the name of batch n of the log: log/<12 digits>. A number outside
// [0, 10¹²) is a programmer's error.
func Batch(n int64) string {
	if n < 0 || n >= 1e12 {
		panic(fmt.Sprintf("storage: batch number %d", n))
	}
	return fmt.Sprintf("%s%012d", LogFolder, n)
}

// Tile is the tlog-tiles path of hash tile n of a level, width hashes wide;
// a full tile has width [TileWidth].
func Tile(level int, n int64, width int) string {
	if level < 0 || level > 63 {
		panic(fmt.Sprintf("storage: tile level %d", level))
	}
	return fmt.Sprintf("%s%d/%s", TileFolder, level, tilePath(n, width))
}

// EntryBundle is the tlog-tiles path of entry bundle n, width entries wide.
func EntryBundle(n int64, width int) string {
	return TileFolder + "entries/" + tilePath(n, width)
}

// tilePath writes <N>[.p/<W>]: N in groups of three digits, all but the last
// beginning with an x; the width only when the tile is partial.
func tilePath(n int64, width int) string {
	if n < 0 || width < 1 || width > TileWidth {
		panic(fmt.Sprintf("storage: tile %d of width %d", n, width))
	}
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < TileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

// Blob is the name of the content-addressed object with this SHA-256:
// blob/<2 hex>/<64 hex>.
func Blob(digest [32]byte) string {
	h := hex.EncodeToString(digest[:])
	return BlobFolder + h[:2] + "/" + h
}

// ModelSegment is the name of a snapshot's segment with this SHA-256: models/<64 hex>.
func ModelSegment(digest [32]byte) string {
	return ModelsFolder + hex.EncodeToString(digest[:])
}

// UpdateSegment is the name of one segment of an encrypted update:
// rounds/<digest(H)>/<hospital>/<update root>/<index, 6 digits>. A hospital that is not
// one valid element of a name, or an index outside [0, 10⁶), is refused with [ErrName].
func UpdateSegment(header [32]byte, hospital string, root [32]byte, index int) (string, error) {
	if !validElement(hospital) || index < 0 || index >= 1e6 {
		return "", fmt.Errorf("%w: segment %d of hospital %q", ErrName, index, hospital)
	}
	return fmt.Sprintf("%s%x/%s/%x/%06d", RoundsFolder, header, hospital, root, index), nil
}

// permanentFolders hold what is written once and never swapped or deleted.
var permanentFolders = []string{LogFolder, TileFolder, BlobFolder, ModelsFolder, VersionsFolder}

// Permanent reports whether an object of this name, once written, stays as it is for
// ever. All others are pointers, which are swapped, or are deleted some day.
func Permanent(name string) bool {
	return slices.ContainsFunc(permanentFolders, func(folder string) bool { return strings.HasPrefix(name, folder) })
}

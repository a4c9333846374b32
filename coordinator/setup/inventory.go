package setup

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"atrium/coordinator/federation"
)

// A backup is a folder: backup.json, which says what is in it, the configured files below
// files/ and outside/, and what changes below state/. It holds secret keys: its folders have
// mode 0700, its files 0600.
const (
	inventoryFile = "backup.json"
	filesFolder   = "files"
	outsideFolder = "outside"
	// BackupState is the folder of what changes: a hospital's state, a coordinator's
	// storage.
	BackupState = "state"
)

// Kinds of a backup.
const (
	CoordinatorBackup = "coordinator"
	HospitalBackup    = "hospital"
)

// Inventory says what a backup holds. Its canonical bytes are backup.json, and what they do
// not name is no part of the backup: whoever knows [Inventory.Digest] knows all of it.
//
// Modes are not in it: what is restored has mode 0600, a folder 0700.
type Inventory struct {
	V          int        `json:"v"`    // 1
	Kind       string     `json:"kind"` // CoordinatorBackup or HospitalBackup
	Federation string     `json:"federation"`
	Time       string     `json:"time"`               // RFC 3339, UTC; when it was begun
	State      string     `json:"state"`              // where state/ belongs: in the folder, absolute, or s3://
	Files      []BackedUp `json:"files"`              // by their place in the folder
	Outside    []BackedUp `json:"outside,omitempty"`  // by absolute path
	Contents   []BackedUp `json:"contents,omitempty"` // of a hospital's state
	Folders    []string   `json:"folders,omitempty"`  // of a hospital's state, that are empty
	Log        LogHead    `json:"log,omitzero"`       // of a coordinator's storage
}

// BackedUp is one file of a backup.
type BackedUp struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// LogHead says which log a coordinator's backup holds. The log names all else by digest.
type LogHead struct {
	Size int64  `json:"size"` // of the published checkpoint
	Root string `json:"root"` // over all entries, those beyond the checkpoint too
}

// Refusals of a backup.
var (
	// ErrBackup: a folder is no whole backup, or a place is not free for what is in it.
	ErrBackup = errors.New("backup does not hold")
	// ErrDigest: a backup is not the one that somebody noted the digest of.
	ErrDigest = errors.New("digest of " + inventoryFile + " is not the one given: it was edited, or this is another backup")
)

// Digest is the SHA-256 of backup.json, as sha256sum prints it.
func (inv Inventory) Digest() string {
	return sumOf(federation.Encode(inv))
}

// CheckDigest refuses a backup but the one of this digest: [ErrDigest].
func (inv Inventory) CheckDigest(digest string) error {
	if digest != inv.Digest() {
		return ErrDigest
	}
	return nil
}

// Holds reports whether a file is among a hospital's state.
func (inv Inventory) Holds(path string) bool {
	return slices.ContainsFunc(inv.Contents, func(f BackedUp) bool { return f.Path == path })
}

func decodeInventory(b []byte, kind string) (Inventory, error) {
	inv, err := federation.Decode[Inventory](b, maxInventory)
	if err == nil {
		err = inv.validate(kind)
	}
	if err != nil {
		return Inventory{}, fmt.Errorf("%w: %s: %w", ErrBackup, inventoryFile, err)
	}
	return inv, nil
}

// validate checks everything that can be checked without the files. Until then no text of
// an inventory is fit for a terminal.
func (inv Inventory) validate(kind string) error {
	if inv.V != 1 || inv.Kind != kind {
		return fmt.Errorf("format %d of a %.20q, want 1 of a %q", inv.V, inv.Kind, kind)
	}
	if !federation.ValidName(inv.Federation) {
		return fmt.Errorf("federation %.80q is no name", inv.Federation)
	}
	if _, err := federation.ParseTime(inv.Time); err != nil {
		return err
	}
	if n := len(inv.Files) + len(inv.Outside); n > maxFiles {
		return fmt.Errorf("%d configured files: at most %d", n, maxFiles)
	}
	if n := len(inv.Contents) + len(inv.Folders); n > maxContents {
		return fmt.Errorf("state of %d files and folders: at most %d", n, maxContents)
	}
	if _, ok := slices.BinarySearchFunc(inv.Files, ConfigFile, byPath); !ok {
		return fmt.Errorf("%s is missing", ConfigFile)
	}
	return errors.Join(inv.validateState(), checkList("files", inv.Files, isLocal), checkList("outside", inv.Outside, isOutside),
		checkList("contents", inv.Contents, isLocal), checkPaths("folders", inv.Folders, isLocal))
}

// validateState checks what each kind alone has.
func (inv Inventory) validateState() error {
	isURL := inv.Kind == CoordinatorBackup && strings.HasPrefix(inv.State, "s3://")
	if inv.State != "." && !isURL && isLocal(inv.State) != nil && isOutside(inv.State) != nil || !printable(inv.State) {
		return fmt.Errorf("state %.200q is no place", inv.State)
	}
	log := inv.Log != LogHead{}
	if inv.Kind == CoordinatorBackup {
		if !log || len(inv.Contents)+len(inv.Folders) > 0 {
			return errors.New("a coordinator's has a log and no contents")
		}
		return checkSum("log", inv.Log.Root)
	}
	if log {
		return errors.New("a hospital's has no log")
	}
	return nil
}

// checkList checks files that are in the order of their paths, each once.
func checkList(name string, list []BackedUp, rule func(string) error) error {
	var paths []string
	for _, f := range list {
		if err := checkSum(name, f.SHA256); err != nil {
			return err
		}
		paths = append(paths, f.Path)
	}
	return checkPaths(name, paths, rule)
}

func checkPaths(name string, paths []string, rule func(string) error) error {
	for i, path := range paths {
		if i > 0 && paths[i-1] >= path {
			return fmt.Errorf("%s: %.200q is out of order", name, path)
		}
		if err := rule(path); err != nil {
			return fmt.Errorf("%s: %.200q %w", name, path, err)
		}
	}
	return nil
}

func checkSum(name, text string) error {
	if b, err := hex.DecodeString(text); err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != text {
		return fmt.Errorf("%s: %.80q is no SHA-256", name, text)
	}
	return nil
}

// isLocal refuses what is absolute, leaves its folder or is written in another way than
// the shortest.
func isLocal(path string) error {
	if !filepath.IsLocal(path) || path == "." || filepath.Clean(path) != path || !printable(path) {
		return errors.New("leaves its folder, or is no plain path")
	}
	return nil
}

// isOutside wants an absolute path, written in the shortest way.
func isOutside(path string) error {
	if !filepath.IsAbs(path) || path == "/" || filepath.Clean(path) != path || !printable(path) {
		return errors.New("is no plain absolute path")
	}
	return nil
}

// printable: a path that a terminal shows as it is.
func printable(path string) bool {
	return path != "" && len(path) <= maxPath && !strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) })
}

func byPath(f BackedUp, path string) int { return cmp.Compare(f.Path, path) }

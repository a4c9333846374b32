package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"atrium/storage/local"
)

// A backup is a folder: backup.json, which says what is in it, the configured files below
// files/, and what changes below state/. It holds secret keys: its folders have mode 0700,
// its files 0600.
const (
	inventoryFile = "backup.json"
	filesFolder   = "files"
	// BackupState is the folder of what changes: a hospital's state, a coordinator's
	// storage.
	BackupState = "state"
	elsewhere   = ".elsewhere" // below files: what lay outside the folder, by absolute path
)

// Inventory says what a backup holds.
type Inventory struct {
	V          int        `json:"v"`    // 1
	Kind       string     `json:"kind"` // "coordinator" or "hospital"
	Federation string     `json:"federation"`
	Time       string     `json:"time"`  // RFC 3339, UTC; when it was begun
	State      string     `json:"state"` // where state/ belongs: relative to the folder, absolute, or s3://
	Files      []BackedUp `json:"files"`
}

// BackedUp is one file of a backup.
type BackedUp struct {
	Path   string      `json:"path"` // relative to the folder, or absolute
	Mode   fs.FileMode `json:"mode"`
	SHA256 string      `json:"sha256"`
}

// ErrBackup: a folder is no whole backup, or a place is not free for what is in it.
var ErrBackup = errors.New("backup does not hold")

// slot is where a backup keeps a file.
func slot(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Join(filesFolder, elsewhere, path)
	}
	return filepath.Join(filesFolder, path)
}

// NewBackup makes dest, which must be absent or empty, the beginning of a backup: the files
// named, each of which lies in folder or elsewhere. What changes is the caller's to add
// below state/; a backup without its inventory, which Finish writes, is none.
func NewBackup(dest, folder, kind, federation, state string, files []string, now time.Time) (Inventory, error) {
	inv := Inventory{V: 1, Kind: kind, Federation: federation, Time: now.UTC().Format(time.RFC3339)}
	var err error
	if inv.State, err = within(folder, state); err != nil {
		return inv, err
	}
	if err := free(dest); err != nil {
		return inv, err
	}
	if err := local.MakeFolders(dest); err != nil {
		return inv, err
	}
	for _, file := range files {
		b := BackedUp{}
		if b.Path, err = within(folder, file); err != nil {
			return inv, err
		}
		if b.SHA256, b.Mode, err = CopyFile(file, filepath.Join(dest, slot(b.Path))); err != nil {
			return inv, fmt.Errorf("back up %s: %w", file, err)
		}
		inv.Files = append(inv.Files, b)
	}
	return inv, nil
}

// Finish writes the inventory of a backup.
func (inv Inventory) Finish(dest string) error {
	b, err := json.MarshalIndent(inv, "", "  ")
	if err != nil {
		return err
	}
	return folder(dest).secret(inventoryFile, append(b, '\n'))
}

// OpenBackup reads the inventory of a backup and compares every file with it.
func OpenBackup(dir, kind string) (Inventory, error) {
	fail := func(err error) (Inventory, error) { return Inventory{}, fmt.Errorf("backup %s: %w", dir, err) }
	b, err := read(filepath.Join(dir, inventoryFile), maxInventory)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrBackup, err))
	}
	var inv Inventory
	if err := json.Unmarshal(b, &inv); err != nil {
		return fail(fmt.Errorf("%w: %s: %w", ErrBackup, inventoryFile, err))
	}
	if inv.V != 1 || inv.Kind != kind {
		return fail(fmt.Errorf("%w: format %d of a %q, want 1 of a %q", ErrBackup, inv.V, inv.Kind, kind))
	}
	for _, f := range inv.Files {
		if !filepath.IsAbs(f.Path) && !filepath.IsLocal(f.Path) {
			return fail(fmt.Errorf("%w: %s leaves the folder", ErrBackup, f.Path))
		}
		sum, err := digestFile(filepath.Join(dir, slot(f.Path)))
		if err == nil && sum != f.SHA256 {
			err = fmt.Errorf("%w: %s is damaged", ErrBackup, slot(f.Path))
		}
		if err != nil {
			return fail(err)
		}
	}
	return inv, nil
}

// Restore puts the files of a backup into folder, or where they came from. A file that is
// there with the same bytes stays; with other bytes nothing is restored at all.
func (inv Inventory) Restore(dir, into string) error {
	for _, f := range inv.Files {
		target := inv.Place(f.Path, into)
		sum, err := digestFile(target)
		if err == nil && sum != f.SHA256 {
			return fmt.Errorf("restore %s: %w: it is there with other bytes: move it away first", target, ErrBackup)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, f := range inv.Files {
		target := inv.Place(f.Path, into)
		if _, err := os.Stat(target); err == nil {
			continue
		}
		if _, _, err := CopyFile(filepath.Join(dir, slot(f.Path)), target); err != nil {
			return fmt.Errorf("restore %s: %w", target, err)
		}
		if err := os.Chmod(target, f.Mode.Perm()); err != nil {
			return err
		}
	}
	return nil
}

// Place is where a path of the inventory lies when the folder is into.
func (inv Inventory) Place(path, into string) string {
	if filepath.IsAbs(path) || strings.Contains(path, "://") {
		return path
	}
	return filepath.Join(into, path)
}

// CopyTree copies the regular files below from to below to, where none of them may be: first
// comes before all others, and skip is left out, as are the driver's temporary files. A
// file that vanishes meanwhile is passed over.
func CopyTree(from, to, first, skip string) error {
	done := map[string]bool{skip: true}
	one := func(path string) error {
		if done[path] {
			return nil
		}
		done[path] = true
		_, _, err := CopyFile(filepath.Join(from, path), filepath.Join(to, path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := local.MakeFolders(to); err != nil {
		return err
	}
	if first != "" {
		if err := one(first); err != nil {
			return err
		}
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != from {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return local.MakeFolders(filepath.Join(to, rel))
		case !d.Type().IsRegular(), strings.HasSuffix(rel, ".tmp"), strings.Contains(rel, "/.tmp/"):
			return nil
		}
		return one(rel)
	})
}

// CopyFile copies a file into a new one of mode 0600, below folders of mode 0700, and makes
// it durable.
func CopyFile(from, to string) (sum string, mode fs.FileMode, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return "", 0, err
	}
	if err := local.MakeFolders(filepath.Dir(to)); err != nil {
		return "", 0, err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, hash), in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(hash.Sum(nil)), info.Mode().Perm(), syncFolder(filepath.Dir(to))
}

func digestFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return hex.EncodeToString(hash.Sum(nil)), err
}

// within is path relative to folder if it lies in it, else absolute; a URL stays.
func within(folder, path string) (string, error) {
	if strings.Contains(path, "://") {
		return path, nil
	}
	base, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(rel) {
		return rel, nil
	}
	return path, nil
}

// CheckFree refuses a folder that has something in it: [ErrNotEmpty].
func CheckFree(dir string) error { return free(dir) }

// free refuses a folder that has something in it.
func free(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s: %w: it has %s", dir, ErrNotEmpty, entries[0].Name())
	}
	return err
}

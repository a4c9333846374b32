package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// NewBackup makes dest, which must be absent or empty, the beginning of a backup: the files
// named, each of which lies in folder or outside. What changes is the caller's to add
// below state/; a backup without its inventory, which Finish writes, is none.
func NewBackup(dest, folder, kind, name, state string, files []string, now time.Time) (Inventory, error) {
	inv := Inventory{V: 1, Kind: kind, Federation: name, Time: federation.FormatTime(now)}
	var err error
	if inv.State, err = within(folder, state); err != nil {
		return inv, err
	}
	if inside, err := within(state, dest); err != nil || !filepath.IsAbs(inside) && !strings.Contains(state, "://") {
		return inv, errors.Join(err, fmt.Errorf("%s: %w: it lies in %s, which is to be backed up", dest, ErrBackup, state))
	}
	if err := free(dest); err != nil {
		return inv, err
	}
	if err := local.MakeFolders(dest); err != nil {
		return inv, err
	}
	for _, file := range files {
		if err := inv.addFile(dest, folder, file); err != nil {
			return inv, fmt.Errorf("back up %s: %w", file, err)
		}
	}
	return inv, nil
}

// addFile copies a configured file; one that two settings name is in the backup once.
func (inv *Inventory) addFile(dest, base, file string) error {
	path, err := within(base, file)
	if err != nil {
		return err
	}
	list, slot := &inv.Files, filepath.Join(filesFolder, path)
	if filepath.IsAbs(path) {
		list, slot = &inv.Outside, filepath.Join(outsideFolder, path)
	}
	at, there := slices.BinarySearchFunc(*list, path, byPath)
	if there {
		return nil
	}
	b, err := read(file, maxConfigured)
	if err != nil {
		return err
	}
	*list = slices.Insert(*list, at, BackedUp{path, sumOf(b)})
	to := filepath.Join(dest, slot)
	return folder(filepath.Dir(to)).secret(filepath.Base(to), b)
}

// AddState takes a hospital's state up into the inventory, as it lies in the backup.
func (inv *Inventory) AddState(dest string) error {
	root, err := os.OpenRoot(filepath.Join(dest, BackupState))
	if err != nil {
		return err
	}
	defer root.Close()
	filled := map[string]bool{".": true}
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		filled[filepath.Dir(path)] = true
		if d.IsDir() {
			inv.Folders = append(inv.Folders, path)
			return nil
		}
		b := BackedUp{Path: path}
		if b.SHA256, err = digestFile(root, path); err == nil {
			inv.Contents = append(inv.Contents, b)
		}
		return err
	})
	inv.Folders = slices.DeleteFunc(inv.Folders, func(path string) bool { return filled[path] })
	slices.Sort(inv.Folders)
	slices.SortFunc(inv.Contents, func(a, b BackedUp) int { return byPath(a, b.Path) })
	return err
}

// Finish writes the inventory of a backup, unless it could not be read again.
func (inv Inventory) Finish(dest string) error {
	b := federation.Encode(inv)
	if _, err := decodeInventory(b, inv.Kind); err != nil {
		return err
	}
	return folder(dest).secret(inventoryFile, b)
}

// CopyTree copies the regular files below from to below to, where none of them may be: first
// comes before all others, and skip is left out, as is what the driver or a trainer is just
// writing. A file that vanishes meanwhile is passed over, a link is refused: [ErrBackup].
func CopyTree(from, to, first, skip string) error {
	if err := local.MakeFolders(to); err != nil {
		return err
	}
	source, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer source.Close()
	if first != "" {
		if _, err := copyFile(source, first, filepath.Join(to, first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fs.WalkDir(source.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != "." {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			err = local.MakeFolders(filepath.Join(to, path))
			if d.Name() == ".tmp" && err == nil {
				return fs.SkipDir
			}
			return err
		case path == first, path == skip, strings.HasSuffix(path, ".tmp"):
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s: %w: a link or no regular file", filepath.Join(from, path), ErrBackup)
		}
		if _, err = copyFile(source, path, filepath.Join(to, path)); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// copyFile copies a file of a folder into a new one of mode 0600, below folders of mode
// 0700, makes it durable and returns its SHA-256.
func copyFile(from *os.Root, path, to string) (sum string, err error) {
	in, err := openRegular(from, path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if err := local.MakeFolders(filepath.Dir(to)); err != nil {
		return "", err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	sum, err = copySum(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return "", err
	}
	return sum, syncFolder(filepath.Dir(to))
}

// copySum copies and returns the SHA-256 of what it copied.
func copySum(out io.Writer, in io.Reader) (string, error) {
	hash := sha256.New()
	_, err := io.Copy(io.MultiWriter(out, hash), in)
	return hex.EncodeToString(hash.Sum(nil)), err
}

// digestFile is the SHA-256 of a file of a folder.
func digestFile(from *os.Root, path string) (string, error) {
	in, err := openRegular(from, path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	return copySum(io.Discard, in)
}

// openRegular opens a file of a folder, no link, and nothing that lies elsewhere.
func openRegular(from *os.Root, path string) (*os.File, error) {
	info, err := from.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return nil, fmt.Errorf("%s: %w: a link or no regular file", filepath.Join(from.Name(), path), ErrBackup)
	}
	return from.Open(path)
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

// free refuses a folder that has something in it: [ErrNotEmpty].
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

package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"atrium/storage/local"
)

// OpenBackup reads and checks the inventory of a backup of one kind: [ErrBackup]. Whether
// it is the backup that somebody made, only [Inventory.CheckDigest] says.
func OpenBackup(dir, kind string) (Inventory, error) {
	b, err := fromBackup(dir, inventoryFile, maxInventory)
	if err != nil {
		return Inventory{}, fmt.Errorf("backup %s: %w: %w", dir, ErrBackup, err)
	}
	inv, err := decodeInventory(b, kind)
	if err != nil {
		return Inventory{}, fmt.Errorf("backup %s: %w", dir, err)
	}
	return inv, nil
}

// fromBackup reads a file that lies in a backup itself.
func fromBackup(dir, name string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

// Read returns the configured files of a backup by path, each compared with the inventory,
// after it has compared a hospital's state too. Nothing is written.
func (inv Inventory) Read(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for folder, list := range map[string][]BackedUp{filesFolder: inv.Files, outsideFolder: inv.Outside} {
		for _, f := range list {
			slot := filepath.Join(folder, f.Path)
			b, err := fromBackup(dir, slot, maxConfigured)
			if err == nil {
				err = f.compare(sumOf(b))
			}
			if err != nil {
				return nil, fmt.Errorf("backup %s: %s: %w", dir, slot, err)
			}
			files[f.Path] = b
		}
	}
	return files, inv.eachContent(dir, digestFile)
}

// compare refuses a file whose bytes the inventory does not name.
func (f BackedUp) compare(sum string) error {
	if sum != f.SHA256 {
		return fmt.Errorf("%w: it has other bytes than %s says", ErrBackup, inventoryFile)
	}
	return nil
}

// eachContent reads every file of a hospital's state with a function that says its SHA-256.
func (inv Inventory) eachContent(dir string, sum func(state *os.Root, path string) (string, error)) error {
	if inv.Kind != HospitalBackup {
		return nil
	}
	state, err := os.OpenRoot(filepath.Join(dir, BackupState))
	if err != nil {
		return fmt.Errorf("backup %s: %w", dir, err)
	}
	defer state.Close()
	for _, f := range inv.Contents {
		got, err := sum(state, f.Path)
		if err == nil {
			err = f.compare(got)
		}
		if err != nil {
			return fmt.Errorf("backup %s: %s: %w", dir, filepath.Join(BackupState, f.Path), err)
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

// Matches compares the inventory with what the configuration in the backup names when the
// folder is into: a hospital's state, and the files, no more and no fewer. A state that is
// put, and frozen, elsewhere is one that the daemon does not find: it would begin an empty one.
func (inv Inventory) Matches(into, state string, files []string) error {
	var own []string
	for _, f := range slices.Concat(inv.Files, inv.Outside) {
		own = append(own, inv.Place(f.Path, into))
	}
	states, err1 := absolute([]string{inv.Place(inv.State, into)})
	named, err2 := absolute([]string{state})
	got, err3 := absolute(own)
	want, err4 := absolute(files)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	if inv.Kind == HospitalBackup && states[0] != named[0] {
		return fmt.Errorf("%w: it is of the state %s, but its %s names %s", ErrBackup, states[0], ConfigFile, named[0])
	}
	for _, path := range got {
		if !slices.Contains(want, path) {
			return fmt.Errorf("%w: it has %s, which its %s does not name", ErrBackup, path, ConfigFile)
		}
	}
	for _, path := range want {
		if !slices.Contains(got, path) {
			return fmt.Errorf("%w: it lacks %s, which its %s names", ErrBackup, path, ConfigFile)
		}
	}
	return nil
}

// absolute makes paths absolute; a URL stays.
func absolute(paths []string) ([]string, error) {
	out := slices.Clone(paths)
	for i, path := range out {
		if strings.Contains(path, "://") {
			continue
		}
		var err error
		if out[i], err = filepath.Abs(path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Places is where the parts of a backup go. Paths are absolute, and no link is on the way.
type Places struct {
	Folder  string
	State   string            // of a coordinator also s3://BUCKET/PREFIX
	Outside []string          // which of State and Files lie outside Folder
	Files   map[string]string // by path in the inventory
}

// Places finds out where everything goes when the folder is into and the configuration names
// a state, and refuses a link on the way, a file that is there with other bytes, and a
// hospital's state that is there at all. What lies outside is named as its links resolve;
// somebody must agree to it.
func (inv Inventory) Places(into, state string) (Places, error) {
	p := Places{Files: map[string]string{}}
	var err error
	if p.Folder, err = filepath.Abs(into); err == nil {
		p.Folder, err = resolve(p.Folder)
	}
	if err != nil {
		return p, err
	}
	if state, err = within(into, state); err == nil {
		p.State, err = p.find(state)
	}
	if err != nil {
		return p, err
	}
	if inv.Kind == HospitalBackup {
		if err := free(p.State); err != nil {
			return p, err
		}
	}
	for _, f := range slices.Concat(inv.Files, inv.Outside) {
		to, err := p.find(f.Path)
		if err == nil {
			_, err = f.there(to)
		}
		if err != nil {
			return p, err
		}
		p.Files[f.Path] = to
	}
	return p, nil
}

// find is where one path goes.
func (p *Places) find(path string) (string, error) {
	if strings.Contains(path, "://") {
		p.Outside = append(p.Outside, path)
		return path, nil
	}
	if filepath.IsAbs(path) {
		to, err := resolve(path)
		p.Outside = append(p.Outside, to)
		return to, err
	}
	want := filepath.Join(p.Folder, path)
	to, err := resolve(want)
	if err == nil && to != want {
		err = fmt.Errorf("restore %s: %w: a link on the way leads to %s: move it away first", want, ErrBackup, to)
	}
	return to, err
}

// resolve is where a path leads, of which the end need not be there.
func resolve(path string) (string, error) {
	for at, rest := path, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		_, err := os.Lstat(at)
		if err == nil {
			real, err := filepath.EvalSymlinks(at)
			return filepath.Join(real, rest), err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
}

// there reports whether a file lies in its place already: with other bytes it is refused.
func (f BackedUp) there(to string) (bool, error) {
	info, err := os.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var b []byte
	if info.Mode().IsRegular() {
		b, err = read(to, maxConfigured)
	}
	if err == nil && (!info.Mode().IsRegular() || sumOf(b) != f.SHA256) {
		err = fmt.Errorf("restore %s: %w: it is there with other bytes: move it away first", to, ErrBackup)
	}
	return err == nil, err
}

// Write puts the configured files into their places. One that is there stays.
func (inv Inventory) Write(p Places, files map[string][]byte) error {
	for _, f := range slices.Concat(inv.Files, inv.Outside) {
		to := p.Files[f.Path]
		there, err := f.there(to)
		if err == nil && !there {
			err = folder(filepath.Dir(to)).secret(filepath.Base(to), files[f.Path])
		}
		if err != nil {
			return fmt.Errorf("restore %s: %w", to, err)
		}
	}
	return nil
}

// WriteState copies a hospital's state into its place, and compares what it copies with the
// inventory once more.
func (inv Inventory) WriteState(dir string, p Places) error {
	for _, path := range inv.Folders {
		if err := local.MakeFolders(filepath.Join(p.State, path)); err != nil {
			return err
		}
	}
	return inv.eachContent(dir, func(state *os.Root, path string) (string, error) {
		return copyFile(state, path, filepath.Join(p.State, path))
	})
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

package setup

import (
	"os"
	"path/filepath"

	"atrium/storage/local"
)

// folder is a directory that is being filled.
type folder string

func (f folder) sub(names ...string) folder {
	return folder(filepath.Join(append([]string{string(f)}, names...)...))
}

// write makes a file that anyone may read who may enter the folder.
func (f folder) write(name string, data []byte) error { return f.put(name, data, 0o644) }

// secret makes a file for its owner only.
func (f folder) secret(name string, data []byte) error { return f.put(name, data, 0o600) }

func (f folder) put(name string, data []byte, mode os.FileMode) error {
	if err := local.MakeFolders(string(f)); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(string(f), name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		file.Close()
		return err
	}
	if err := file.Sync(); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return syncFolder(string(f))
}

// syncFolder makes a rename durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

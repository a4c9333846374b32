package client

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"atrium/client/dataset"
	"atrium/coordinator/federation"
)

// sourcePart is the records of a hospital whose memory lies in one folder.
type sourcePart struct {
	Folder string   `json:"folder"`
	Marks  []string `json:"marks"`
}

// sourceFolder is where the memory lies beside records, unless the configuration says.
const sourceFolder = ".atrium-source"

const pathMark = "path:"

// markRecords marks the files of records. Each has its memory beside itself, links
// followed, or all have it in the folder that was configured.
func markRecords(configured string, files ...string) ([]sourcePart, error) {
	var parts []sourcePart
	for _, file := range files {
		path, marks, err := markFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSource, err)
		}
		folder := filepath.Join(filepath.Dir(path), sourceFolder)
		if configured != "" {
			if folder, err = filepath.Abs(configured); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(parts, func(p sourcePart) bool { return p.Folder == folder })
		if i < 0 {
			parts = append(parts, sourcePart{Folder: folder})
			i = len(parts) - 1
		}
		parts[i].Marks = union(parts[i].Marks, marks)
	}
	return parts, nil
}

// markFile says what a file of records is, in ways that each suffice to know it again: its
// place, links followed; the file itself, by another name or hard link; its bytes, in
// another place. A row appended to a copy elsewhere makes other records of it.
func markFile(file string) (path string, marks []string, err error) {
	if path, err = filepath.EvalSymlinks(file); err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return path, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return path, nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return path, nil, err
	}
	marks = []string{pathMark + path, "sha256:" + hex.EncodeToString(sum.Sum(nil))}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		marks = append(marks, fmt.Sprintf("inode:%d:%d", s.Dev, s.Ino))
	}
	return path, marks, nil
}

// boundMarks forgets the oldest marks of records that were replaced very often, but never
// where they lie.
func boundMarks(marks []string) []string {
	for len(marks) > maxSourceMarks {
		i := slices.IndexFunc(marks, func(m string) bool { return !strings.HasPrefix(m, pathMark) })
		if i < 0 {
			return marks // and check refuses it
		}
		marks = slices.Delete(marks, i, i+1)
	}
	return marks
}

// sourceThings lists what leaves of records in a round, by the names of the hospital's own
// columns: whatever a plan calls them, and in whatever unit or range. Every base counts as
// the same one, because a plan can choose one that is as good as another's; and each kind
// of round gives away how many records there are.
func sourceThings(p federation.Plan, columns []dataset.Column, kind federation.RoundKind) []string {
	own := func(words string, names []string) (list []string) {
		for _, n := range names {
			list = append(list, words+dataset.LocalName(columns, n))
		}
		return list
	}
	switch kind {
	case federation.Statistics:
		var names []string
		for _, f := range p.Features {
			names = append(names, f.Name)
		}
		return append([]string{"number of records"}, own("mean and deviation of ", names)...)
	case federation.Evaluate:
		return append([]string{"number of test records"}, own("evaluation on ", p.Label.Names())...)
	}
	return append([]string{"number of records"}, own("training on ", p.Label.Names())...)
}

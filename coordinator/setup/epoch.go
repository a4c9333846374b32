package setup

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// LoadTerms reads and validates the terms of a next charter.
func LoadTerms(file string) (federation.Charter, error) {
	b, err := read(file, federation.MaxCharterBytes)
	if err != nil {
		return federation.Charter{}, fmt.Errorf("terms: %w", err)
	}
	c, err := federation.DecodeTerms(b)
	if err != nil {
		return federation.Charter{}, fmt.Errorf("terms %s: %w", file, err)
	}
	return c, nil
}

// LoadConsent reads a hospital's consent; its signatures are not checked.
func LoadConsent(file string) (federation.Consent, error) {
	b, err := read(file, federation.MaxConsentBytes)
	if err != nil {
		return federation.Consent{}, fmt.Errorf("consent: %w", err)
	}
	c, err := federation.DecodeConsent(b)
	if err != nil {
		return federation.Consent{}, fmt.Errorf("consent %s: %w", file, err)
	}
	return c, nil
}

// NewLogKey draws another key for the log of a verifier key and writes it to a file of
// mode 0600, which must not exist.
func NewLogKey(file, verifier string) (*roundlog.Key, error) {
	name, err := roundlog.VerifierName(verifier)
	if err != nil {
		return nil, err
	}
	key, err := roundlog.GenerateKey(name, rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := folder(filepath.Dir(file)).secret(filepath.Base(file), []byte(key.Secret())); err != nil {
		return nil, fmt.Errorf("log key: %w", err)
	}
	return key, nil
}

// WriteNew writes a file that anyone may read and that must not exist, unless it holds
// exactly these bytes.
func WriteNew(file string, b []byte) error {
	if there, err := os.ReadFile(file); err == nil && string(there) == string(b) {
		return nil
	}
	err := folder(filepath.Dir(file)).write(filepath.Base(file), b)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: move it away, or name another with --out", err)
	}
	return err
}

// EpochFiles are the files of a coordinator that follow the epoch.
type EpochFiles struct {
	Charter, Countersignatures, LogKey string
}

// Replace puts the files of an installed epoch where those of the one before are, which
// stay beside them with the epoch in their names. The charter comes last: until it is
// replaced, repeating the installation repeats this.
func (f EpochFiles) Replace(before uint64, c federation.Charter, signed federation.Countersignatures, key *roundlog.Key) error {
	for _, file := range []struct {
		name string
		data []byte
		mode os.FileMode
	}{
		{f.LogKey, []byte(key.Secret()), 0o600},
		{f.Countersignatures, federation.Encode(signed), 0o644},
		{f.Charter, federation.Encode(c), 0o644},
	} {
		if err := replace(file.name, file.data, file.mode, before); err != nil {
			return fmt.Errorf("replace %s: %w", file.name, err)
		}
	}
	return nil
}

func replace(file string, data []byte, mode os.FileMode, before uint64) error {
	old, err := os.ReadFile(file)
	switch {
	case err == nil && string(old) == string(data):
		return nil
	case err == nil:
		if err := os.Link(file, fmt.Sprintf("%s.epoch%d", file, before)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist): // a key that is lost may also be unreadable
		return err
	}
	f, err := os.OpenFile(file+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

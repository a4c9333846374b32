package setup

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

// Refusals of a file.
var (
	ErrMode = errors.New("secret file is open to others")
	ErrFile = errors.New("file does not hold what it should")
)

// LoadCharter reads and validates a charter's canonical bytes.
func LoadCharter(file string) (federation.Charter, error) {
	b, err := read(file, federation.MaxCharterBytes)
	if err != nil {
		return federation.Charter{}, fmt.Errorf("charter: %w", err)
	}
	c, err := federation.DecodeCharter(b)
	if err != nil {
		return federation.Charter{}, fmt.Errorf("charter %s: %w", file, err)
	}
	return c, nil
}

// LoadCountersignatures reads the countersignatures of a charter and verifies each.
func LoadCountersignatures(file string, c federation.Charter) (federation.Countersignatures, error) {
	b, err := read(file, maxSigned)
	if err != nil {
		return federation.Countersignatures{}, fmt.Errorf("countersignatures: %w", err)
	}
	signed, err := federation.Decode[federation.Countersignatures](b, maxSigned)
	if err == nil {
		err = envelope.VerifyCountersignatures(c, signed)
	}
	if err != nil {
		return federation.Countersignatures{}, fmt.Errorf("countersignatures %s: %w", file, err)
	}
	return signed, nil
}

// LoadPlan reads and validates a plan file; see [planfile.ParsePlan] for the errors.
func LoadPlan(file string) (federation.Plan, error) {
	b, err := read(file, planfile.MaxFileBytes)
	if err != nil {
		return federation.Plan{}, fmt.Errorf("plan: %w", err)
	}
	return planfile.ParsePlan(file, b)
}

// LoadKeyPair reads a TLS certificate and its private key; [ErrMode] for the key.
func LoadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := read(certFile, maxPEMBytes)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("TLS certificate: %w", err)
	}
	key, err := readSecret(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("TLS key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("TLS certificate %s with key %s: %w: %w", certFile, keyFile, ErrFile, err)
	}
	if err := CheckClock(pair.Leaf, time.Now()); err != nil {
		return tls.Certificate{}, fmt.Errorf("TLS certificate %s: %w", certFile, err)
	}
	return pair, nil
}

// ErrClock: by this machine's clock a certificate is not valid.
var ErrClock = errors.New("not valid by this machine's clock: set the clock, or renew the certificate")

// CheckClock refuses a certificate that nobody will accept now.
func CheckClock(cert *x509.Certificate, now time.Time) error {
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return fmt.Errorf("valid from %s to %s, now it is %s: %w", federation.FormatTime(cert.NotBefore), federation.FormatTime(cert.NotAfter),
			federation.FormatTime(now), ErrClock)
	}
	return nil
}

// LoadIdentity reads a hospital's Ed25519 identity key from PKCS #8 PEM; [ErrMode].
func LoadIdentity(file string) (ed25519.PrivateKey, error) {
	b, err := readSecret(file)
	if err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	return parseIdentity(file, b)
}

// parseIdentity reads what a file of that name holds.
func parseIdentity(file string, b []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != keyBlock || len(rest) > 0 {
		return nil, fmt.Errorf("identity key %s: %w: want one PEM block %q", file, ErrFile, keyBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("identity key %s: %w: no PKCS #8 key", file, ErrFile)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("identity key %s: %w: want an Ed25519 key", file, ErrFile)
	}
	return key, nil
}

// LoadPool reads the certificates of authorities.
func LoadPool(files ...string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, file := range files {
		b, err := read(file, maxPEMBytes)
		if err != nil {
			return nil, fmt.Errorf("certificate authority: %w", err)
		}
		if !pool.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("certificate authority %s: %w: no certificate", file, ErrFile)
		}
	}
	return pool, nil
}

// LoadLogKey reads the log's signing key; [ErrMode].
func LoadLogKey(file string) (*roundlog.Key, error) {
	b, err := readSecret(file)
	if err != nil {
		return nil, fmt.Errorf("log key: %w", err)
	}
	key, err := roundlog.ParseKey(string(b))
	if err != nil {
		return nil, fmt.Errorf("log key %s: %w", file, err)
	}
	return key, nil
}

// ErrLogKey: without the charter's log key nothing can be written to the log.
var ErrLogKey = errors.New("the charter's log key is needed: put it back from its backup; if it is lost for good, " +
	"the next charter names another: atrium coordinator charter propose --new-log-key")

// LoadCharterKey reads the signing key that a charter names; [ErrLogKey] for anything
// else but [ErrMode].
func LoadCharterKey(file string, c federation.Charter) (*roundlog.Key, error) {
	key, err := LoadLogKey(file)
	switch {
	case errors.Is(err, ErrMode):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", err, ErrLogKey)
	case key.Verifier() != c.LogKey:
		return nil, fmt.Errorf("log key %s is %s, not the charter's %s: %w", file, key.Verifier(), c.LogKey, ErrLogKey)
	}
	return key, nil
}

// readSecret reads a file that only its owner may read.
func readSecret(file string) ([]byte, error) {
	return readChecked(file, maxPEMBytes, func(info os.FileInfo) error {
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return fmt.Errorf("%s: %w: mode %04o; run: chmod 600 %s", file, ErrMode, mode, file)
		}
		return nil
	})
}

// ReadFile reads a regular file of at most limit bytes; errors name it.
func ReadFile(file string, limit int64) ([]byte, error) { return read(file, limit) }

func read(file string, limit int64) ([]byte, error) {
	return readChecked(file, limit, func(os.FileInfo) error { return nil })
}

// readChecked judges the file that it then reads, not one that takes its name meanwhile.
func readChecked(file string, limit int64, check func(os.FileInfo) error) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(info); err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// readAll reads a file of at most limit bytes.
func readAll(f *os.File, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: %w: over %d bytes", f.Name(), ErrFile, limit)
	}
	return b, err
}

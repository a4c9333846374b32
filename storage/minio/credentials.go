package minio

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
)

// Secret is a text that is never printed.
type Secret struct{ text string }

// NewSecret keeps text.
func NewSecret(text string) Secret { return Secret{text} }

func (s Secret) empty() bool { return s.text == "" }

// String is a fingerprint: the first four bytes of the SHA-256.
func (s Secret) String() string {
	if s.empty() {
		return "none"
	}
	sum := sha256.Sum256([]byte(s.text))
	return fmt.Sprintf("sha256:%x", sum[:4])
}

// GoString, LogValue and MarshalText are String.
func (s Secret) GoString() string { return s.String() }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Credentials sign requests. Token is empty but for temporary credentials.
type Credentials struct {
	AccessKey string
	Secret    Secret
	Token     Secret
}

// ParseCredentials reads the line "ACCESS_KEY:SECRET_KEY", or "ACCESS_KEY:SECRET_KEY:TOKEN"
// for temporary credentials. [ErrConfig]; the text is in no error.
func ParseCredentials(text string) (Credentials, error) {
	line := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	fields := strings.Split(line, ":")
	if len(text) > maxCredentials || len(fields) < 2 || len(fields) > 3 {
		return Credentials{}, fmt.Errorf("%w: credentials: want one line ACCESS_KEY:SECRET_KEY", ErrConfig)
	}
	for _, f := range fields {
		if f == "" || strings.ContainsFunc(f, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return Credentials{}, fmt.Errorf("%w: credentials: an empty field, a space or a control character in ACCESS_KEY:SECRET_KEY", ErrConfig)
		}
	}
	c := Credentials{AccessKey: fields[0], Secret: NewSecret(fields[1])}
	if len(fields) == 3 {
		c.Token = NewSecret(fields[2])
	}
	return c, nil
}

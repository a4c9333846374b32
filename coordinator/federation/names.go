package federation

import (
	"crypto/ed25519"
	"encoding/base32"
	"strings"
)

// HospitalID is the pseudonym of an enrolled hospital: "h-" and 16 characters of
// base32 derived from its identity key.
type HospitalID string

// NewHospitalID derives the pseudonym of an identity key within one federation, so
// that one hospital has unrelated pseudonyms in two federations.
func NewHospitalID(federation string, key ed25519.PublicKey) HospitalID {
	d := Sum([]byte("atrium/hospital-id/v1\n" + federation + "\n" + string(key)))
	return HospitalID("h-" + strings.ToLower(base32.StdEncoding.EncodeToString(d[:10])))
}

// Valid reports whether id has the form of a pseudonym.
func (id HospitalID) Valid() bool {
	rest, ok := strings.CutPrefix(string(id), "h-")
	return ok && len(rest) == 16 && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// ValidName reports whether s may name a federation, plan or hospital:
// 1 to MaxName of a-z, 0-9 and -, not starting or ending with -.
func ValidName(s string) bool { return validName(s) }

func validName(s string) bool {
	return len(s) >= 1 && len(s) <= MaxName && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// validColumn: printable ASCII without the two characters that a question's text
// or a quoted error could be confused by.
func validColumn(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '/' || c == '"' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= MaxName
}

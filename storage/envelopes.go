package storage

import "fmt"

// EnvelopesFolder holds what must be deleted with its round.
const EnvelopesFolder = "envelopes/"

// Envelopes is the name of what one hospital sealed to the custodians of a manifest:
// envelopes/<digest(M)>/<hospital>. It is never public and is deleted with the round.
func Envelopes(manifest [32]byte, hospital string) (string, error) {
	if !validElement(hospital) {
		return "", fmt.Errorf("envelopes of %q: %w", hospital, ErrName)
	}
	return fmt.Sprintf("%s%x/%s", EnvelopesFolder, manifest, hospital), nil
}

// Card is the name of the signed card of a model version: versions/<12 digits>.
func Card(version uint64) string { return fmt.Sprintf("%s%012d", VersionsFolder, version) }

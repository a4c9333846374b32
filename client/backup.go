package client

import (
	"crypto/ed25519"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/storage/local"
)

// CheckState replays the journal of a state directory that no daemon uses, and says how
// many Joins it remembers.
func CheckState(dir string, charter federation.Charter, identity ed25519.PrivateKey) (joins uint64, err error) {
	self := federation.NewHospitalID(charter.Federation, identity.Public().(ed25519.PublicKey))
	j, state, err := openJournal(dir, participant.State{Self: self, Charter: charter})
	if err != nil {
		return 0, err
	}
	return state.Counter, j.close()
}

// Freeze makes a state directory, if it is absent, and keeps its daemon from starting until
// Recover.
func Freeze(dir, reason string) error {
	if err := local.MakeFolders(dir); err != nil {
		return err
	}
	return keepFile(dir, FrozenFile, []byte(reason+"\n"))
}

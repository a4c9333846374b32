// Package evidence is the file that a custodian keeps of something in the log that does not
// follow, and what an auditor reads from it.
//
// A file holds an entry of the log with its inclusion under a checkpoint that the log's key
// signed, what that entry names down to the header of its round, and the custodian's signed
// [federation.Objection]. [Check] verifies all of it against a charter and nothing else: no
// store, no network. It shows that the holder of the log's key said the one and the custodian
// the other. It does not show who of them is right: that takes the ciphertexts, and is what
// a replay is for.
//
// Custodians write files (package client), auditors read them (cmd/atrium). A File is a value,
// and every function is safe to call at once with others.
package evidence

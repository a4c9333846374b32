// Package setup makes the files of a new federation and loads the files that its
// coordinator and its hospitals run from: charter, plan, policy, certificates and keys. It
// also makes backups of these files and puts them back.
//
// It draws every key of the federation on one machine, so whoever runs Init could keep
// copies: it is for a first federation and for demonstrations, where one team hands out
// the folders. It reads no configuration file and no environment (cmd/atrium does),
// enrols nobody over the network and renews nothing.
//
// Certificates are X.509 (RFC 5280) with ECDSA P-256 keys under a certificate authority
// of the federation's own; keys lie in PKCS #8 PEM (RFC 5958, RFC 7468), identity keys
// are Ed25519 (RFC 8410) and never used for TLS. Certificates name hospitals by
// pseudonym.
//
// cmd/atrium calls it. Init checks its options; the loading functions check what they
// read, and refuse a secret that others may read. Of a backup every byte is compared with
// its inventory, and whether the inventory is the one that was written, only its digest
// says, which the caller must have from somebody who kept it elsewhere.
//
// All functions are safe to call from any goroutine.
package setup

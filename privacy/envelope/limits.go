package envelope

// Sizes of the wire forms and bounds on what arrives from outside, in bytes.
const (
	PublicSize   = 1216                                 // a public key: ML-KEM-768 1184, X25519 32
	encSize      = 1120                                 // an encapsulated key: ML-KEM-768 1088, X25519 32
	tagSize      = 16                                   // AES-GCM's
	Overhead     = 1 + encSize + tagSize                // what sealing adds
	MaxPlaintext = 1 << 16                              // four shares of N = 8192 coefficients of two bytes
	MaxSealed    = MaxPlaintext + Overhead              // the longest envelope that Open looks at
	MaxBundle    = 64                                   // envelopes of one hospital: one a custodian
	maxParty     = 64                                   // a pseudonym in associated data
	maxAD        = len(adLabel) + 4*8 + 2*(32+maxParty) // associated data
)

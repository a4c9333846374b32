// Package he encrypts vectors of small unsigned integers so that ciphertexts
// add up and only their sum can be opened, with the sum of one-time keys.
//
// c = a*s + e + Delta*m in Z_Q[X]/(X^N+1), for each block of N coefficients:
// a is public and the same for a whole group, s is drawn for one submission, e
// for one block, and each coefficient of m packs several fields. A Literal
// names a ring and a packing, Choose picks one, Parameters holds a checked
// one. A Sum adds ciphertexts and a KeySum opens one. Every operation works on
// a whole ciphertext or on a segment of it, with memory for that segment.
// README.md derives the noise, the overflow bounds and the choice of N, Q and
// Delta.
//
// The package does not share, seal or combine keys, decide who is in a sum,
// authenticate anyone, or hide the sum. There is no public key and no
// long-term secret key. A wrong key sum made on purpose is detected only as
// far as README.md says.
//
// Ring-LWE: Lyubashevsky, Peikert, Regev, "On Ideal Lattices and Learning with
// Errors over Rings" (2010). Parameters for 192 bits: Bossuat et al.,
// "Security Guidelines for Implementing Homomorphic Encryption" (2024), tables
// for classical attacks. Security with known sums of keys and errors: Kim,
// Lee, Seo, Song, "Toward Practical Lattice-Based Proof of Knowledge from
// Hint-MLWE" (2023), in its ring form.
//
// A hospital calls NewKey and EncryptBlocks after it has verified the manifest
// from whose digest the seed is derived; the coordinator and auditors call
// CheckSegment, Add, PrepareKeySum and Open after they have checked signatures,
// sizes and the set of submitters.
//
// # Public polynomial
//
// a is given directly in the number-theoretic-transform domain of lattigo's
// ring. The AES-256-CTR key stream with the seed as key and a first counter
// block of zeros is cut into pieces, one for each block and, within a block,
// each prime in the literal's order. A piece is N+128 little-endian words of as
// many bytes as the longest prime needs, each masked to the bit length of its
// piece's prime. The first N are the values. The first of those that is not
// below the prime is replaced by the first of the 128 that is, and so on; in
// the event, of probability below 2^-100, that there are too few, by 0.
//
// # Fingerprint
//
// NewFingerprint takes a seed that nobody could know or choose when ciphertexts
// and their sum were fixed; README.md gives points, encoding and argument.
//
// # Wire
//
// A ciphertext, or a sum of ciphertexts, is the version byte 1 and its blocks.
// Only coefficients that carry fields are there. A block is one little-endian
// bit string: for each prime in the literal's order, for each coefficient, the
// residue in as many bits as q_j has; zero bits fill the last byte. A segment
// is a run of whole blocks; segments laid end to end are the ciphertext, so
// only the first one begins with the version byte.
//
// Parameters may be shared by goroutines. A OneTimeKey may be used from several
// goroutines on different blocks. A KeySum may be shared. A Sum and a
// Fingerprint belong to one goroutine. Parallel gives parameters whose
// operations start goroutines of their own and end them before they return.
package he

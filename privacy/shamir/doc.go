// Package shamir shares vectors of small integers over GF(65521), adds shares,
// and recovers the sum of many secrets from sums of their shares, locating
// sums that are wrong.
//
// Each coefficient is shared by its own polynomial of degree t-1: its value at
// 0 is the secret, its value at point j, 1 to m, is share j. Shares of several
// dealers at one point add up to the share of the sum of their secrets. Fewer
// than t shares are uniform and independent of the secret.
//
// The package does not seal or send shares and proves nothing about a dealer:
// a wrong sum is the work of the share holder or of any dealer in the set.
//
// Shamir, "How to Share a Secret", CACM 22 (1979). A polynomial that agrees
// with more than half way between t-1 and the number of answers is unique
// (Reed and Solomon); beyond that, the caller's bound on the secret decides.
//
// Hospitals call Share on their one-time keys, custodians AddTo on opened
// shares, the coordinator and auditors Recover on the answers. The caller
// fixes the points and t; who may answer, and for whom, was decided before.
//
// Share takes the same steps for every secret. All functions may be called
// from several goroutines on different vectors.
package shamir

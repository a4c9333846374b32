// Package robust combines the mean changes of several groups into one so that a few
// groups that were tampered with do not decide: trimmed mean and median of each
// coordinate, Krum, and the geometric median.
//
// It sees groups, never hospitals: only sums over a group are readable. It does not open
// sums, weigh groups by their records (whoever tampers would claim many) or say which
// group was wrong. README.md says what this stops and what it does not.
//
// Trimmed mean and median: Yin, Chen, Ramchandran and Bartlett, "Byzantine-Robust
// Distributed Learning: Towards Optimal Statistical Rates" (2018), definitions 1 and 2.
// Krum: Blanchard, El Mhamdi, Guerraoui and Stainer, "Machine Learning with Adversaries:
// Byzantine Tolerant Gradient Descent" (2017), section 4. Geometric median: Pillutla,
// Kakade and Harchaoui, "Robust Aggregation for Federated Learning" (2022), the smoothed
// Weiszfeld algorithm.
//
// coordinator/opening calls it, at the coordinator and at the auditor, who must get the
// same bytes: + − × ÷ √ only, in a fixed order, every product converted to float64.
// Vectors are handed in piece by piece; what depends on whole vectors depends on the
// distances between them alone, so memory does not grow with their length.
//
// Functions keep no state; a Distances is for one goroutine.
package robust

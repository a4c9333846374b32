// Package aggregation holds the arithmetic that turns opened sums into what a
// federation publishes: the gates that a sum must pass, the mean and deviation of each
// feature, the next model parameters, and the scores of an evaluation.
//
// It does not decrypt, quantise, sum ciphertexts or decide when a round is over,
// and it knows no hospital: its inputs are sums over a cohort.
//
// The federated average is McMahan and others, "Communication-Efficient Learning of
// Deep Networks from Decentralized Data" (2017), algorithm 1, with a server learning
// rate; FedProx is the same rule after local training with a proximal term, and with
// tensors that stay in the hospital it is FedBN. The other rules name their papers where
// they stand. The area under the curve is the Mann-Whitney statistic, ties counted half.
//
// The coordinator and the auditor call it on the same opened sums and must get the
// same bytes: what feeds a snapshot uses + − × ÷ √ only, in a fixed order, with every
// product converted explicitly to float64, so that no compiler fuses it on any CPU.
// Callers must have checked that the sums are those of one round.
//
// Values are plain data; functions keep no state and are safe to call concurrently.
package aggregation

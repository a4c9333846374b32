// Package train holds the models that a plan can declare and trains them on a
// hospital's own records. It is the only importer of gorgonia, and no type of
// gorgonia's appears in its exported signatures.
//
// It does not read records, normalise them, clip, weight or encrypt a delta, and it
// does not decide whether a hospital takes part.
//
// Local training is stochastic gradient descent (with momentum), Adam or AdamW on the
// mean log-loss, written as softplus(z) − y·z, with FedProx's proximal term (Li and
// others, "Federated Optimization in Heterogeneous Networks", 2020). An optimiser lives
// for one round. Weights of an mlp start as He and
// others, "Delving Deep into Rectifiers" (2015), uniform variant.
//
// The daemon calls it; it must have checked plan and policy, and pass normalised
// records. Every random choice comes from the seed that the caller gives.
//
// A Trainer keeps its graphs and is not safe for concurrent use; different Trainers
// are.
package train

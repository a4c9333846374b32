package train

// Bounds on what a plan and a data source may ask of this package.
const (
	MaxParameters  = 16 << 20 // parameters of one model: 64 MiB of float32
	MaxGraphRows   = 4096     // records that one run of a graph sees; larger batches run in pieces
	MaxActivations = 4 << 20  // rows × widest layer of one graph
	minGraphRows   = 2        // gorgonia treats a 1×1 matrix as a scalar
)

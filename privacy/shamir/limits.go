package shamir

const (
	// MaxShares bounds m and every point.
	MaxShares = 64
	// MaxLength bounds the coefficients of one vector.
	MaxLength = 1 << 16
	// MaxSubsets bounds the t-subsets that one recovery tries; it covers every
	// subset for t = 15 of 21 answers. See Recoverable.
	MaxSubsets = 1 << 16
	// MaxCandidates bounds the polynomials that Candidates returns.
	MaxCandidates = 16
)

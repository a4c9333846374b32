package dataset

// Bounds on a file of records.
const (
	MaxBytes     = 64 << 20 // of the file
	MaxRows      = 1 << 20  // records
	MaxColumns   = 16384    // columns of the header, those that no plan names included
	MaxCodes     = 256      // codes of one column
	MaxValues    = 1 << 25  // numbers of all arrays: 256 MiB in memory
	maxNPYHeader = 4096     // bytes
	maxQuoted    = 40       // bytes of a cell that an error quotes
)

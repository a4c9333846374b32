package planfile

// Bounds on files, which come from outside.
const (
	MaxFileBytes = 1 << 20 // a plan of federation.MaxFeatures features takes about half
	MaxDepth     = 16      // mappings and lists inside one another
	maxErrors    = 20      // errors reported for one file
	maxQuoted    = 60      // bytes of the file's own text repeated in an error
)
